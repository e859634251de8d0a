/*
 * Files that users and the manager hand each other.
 */
#ifndef MYELIN_CLI_FILES_H
#define MYELIN_CLI_FILES_H

#include "base/bytes.h"

/* CONFLICT where there is something at `path` already. */
MUST_CHECK result files_check_new(const char *path);

/* A request's bytes. NOT_FOUND, IO; INTEGRITY where it is too long to be one. */
MUST_CHECK result files_read_request(const char *path, struct bytes *out_request);

/* A certificate (PEM), as DER. NOT_FOUND, IO; INTEGRITY where it is none. */
MUST_CHECK result files_read_certificate(const char *path, struct bytes *out_der);

/* Writes a certificate (DER) as PEM, in place of what is there where `replaces`. CONFLICT, IO. */
MUST_CHECK result files_write_certificate(const char *path, struct view der, bool replaces);

#endif
