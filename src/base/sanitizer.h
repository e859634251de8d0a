/*
 * UNDER_SANITIZER is defined where the build is one of a sanitizer, whose runtime does what a
 * program of ours is forbidden.
 */
#ifndef MYELIN_BASE_SANITIZER_H
#define MYELIN_BASE_SANITIZER_H

#if defined(__has_feature) /* clang's way to say it; gcc defines a macro */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#endif

#endif
