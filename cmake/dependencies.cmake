# What the project stands on; ARCHITECTURE.md says why each was chosen.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(myelin_pkg name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
  add_library(deps::${name} ALIAS PkgConfig::${name})
endfunction()

myelin_pkg(sodium libsodium)
myelin_pkg(gnutls gnutls)
myelin_pkg(microhttpd libmicrohttpd)
myelin_pkg(curl libcurl)
myelin_pkg(isal libisal)
myelin_pkg(zstd libzstd)
myelin_pkg(charls charls)
myelin_pkg(jansson jansson)
myelin_pkg(protobufc libprotobuf-c)
myelin_pkg(seccomp libseccomp)

# DCMTK's dcmdata alone: the rest of DCMTK would bring a second TLS stack.
find_path(DCMTK_INCLUDE_DIR dcmtk/dcmdata/dctk.h REQUIRED)
find_library(DCMTK_DCMDATA dcmdata REQUIRED)
find_library(DCMTK_OFLOG oflog REQUIRED)
find_library(DCMTK_OFSTD ofstd REQUIRED)
add_library(deps::dcmdata INTERFACE IMPORTED)
target_include_directories(deps::dcmdata INTERFACE ${DCMTK_INCLUDE_DIR})
target_link_libraries(deps::dcmdata INTERFACE ${DCMTK_DCMDATA} ${DCMTK_OFLOG} ${DCMTK_OFSTD})

# blst: the system's where there is one, else the source inside the npm package c-kzg, pinned by
# deps/blst/package-lock.json and fetched by ./run.
pkg_check_modules(blst QUIET IMPORTED_TARGET GLOBAL libblst)
if(blst_FOUND)
  add_library(deps::blst ALIAS PkgConfig::blst)
else()
  set(BLST_DIR ${CMAKE_SOURCE_DIR}/deps/blst/node_modules/c-kzg/deps/blst)
  if(NOT EXISTS ${BLST_DIR}/src/server.c)
    message(FATAL_ERROR "blst is missing: run './run build', or 'npm ci --ignore-scripts' in deps/blst")
  endif()
  add_library(blst STATIC ${BLST_DIR}/src/server.c ${BLST_DIR}/build/assembly.S)
  target_include_directories(blst SYSTEM PUBLIC ${BLST_DIR}/bindings)
  target_compile_definitions(blst PRIVATE __BLST_PORTABLE__) # picks ADX at run time
  target_compile_options(blst PRIVATE -O2 -fno-builtin -w)
  add_library(deps::blst ALIAS blst)
endif()
