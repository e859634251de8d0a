# myelin_layer(NAME USES LAYER...): the static library of src/NAME. Its files are found by name, so
# a new file needs no line here.
set(MYELIN_WARNINGS
    -Wall -Wextra -Wshadow -Wconversion -Wpointer-arith -Wcast-qual -Wvla -Wundef -Wformat=2)
set(MYELIN_C_WARNINGS ${MYELIN_WARNINGS} -Wstrict-prototypes -Wmissing-prototypes)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  list(REMOVE_ITEM MYELIN_C_WARNINGS -Wcast-qual) # warns inside protobuf-c's INIT macros; GCC checks
endif()
if(MYELIN_WERROR)
  list(APPEND MYELIN_WARNINGS -Werror)
  list(APPEND MYELIN_C_WARNINGS -Werror)
endif()

add_library(myelin_options INTERFACE)
target_compile_options(myelin_options INTERFACE
  "$<$<COMPILE_LANGUAGE:C>:${MYELIN_C_WARNINGS}>" "$<$<COMPILE_LANGUAGE:CXX>:${MYELIN_WARNINGS}>"
  -ffunction-sections -fdata-sections -fstack-protector-strong)
target_compile_definitions(myelin_options INTERFACE _GNU_SOURCE
  MYELIN_VERSION="${PROJECT_VERSION}")
# Unused functions are dropped: what a program does not contain is part of the security claim.
target_link_options(myelin_options INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(myelin_options INTERFACE _FORTIFY_SOURCE=2)
endif()
if(MYELIN_SANITIZE)
  add_compile_options(-fsanitize=${MYELIN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MYELIN_SANITIZE})
  # A sanitizer's code is linked 140 times, for tests: half the time where there is gold.
  include(CheckLinkerFlag)
  check_linker_flag(C -fuse-ld=gold MYELIN_HAS_GOLD)
  if(MYELIN_HAS_GOLD AND NOT MYELIN_FUZZ)
    add_link_options(-fuse-ld=gold)
  endif()
  if(MYELIN_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(MYELIN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
endif()

set_property(GLOBAL PROPERTY MYELIN_LAYERS "")
function(myelin_layer name)
  cmake_parse_arguments(LAYER "" "" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c
       ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  add_library(myelin_${name} STATIC ${sources})
  set_target_properties(myelin_${name} PROPERTIES LINKER_LANGUAGE C)
  target_include_directories(myelin_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(myelin_${name} PUBLIC myelin_options)
  foreach(used IN LISTS LAYER_USES)
    target_link_libraries(myelin_${name} PUBLIC myelin_${used})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY MYELIN_LAYERS ${name})
endfunction()
