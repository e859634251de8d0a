# libmyelin, shared and static: include/myelin.h over the flows, for programs in C and whatever can
# call C. The shared one exports myelin_* and nothing else.
set(library_parts base group scheme code seal codec format audit net system flow)
set(library_objects)
foreach(part IN LISTS library_parts)
  list(APPEND library_objects $<TARGET_OBJECTS:myelin_${part}>)
endforeach()
list(APPEND library_objects $<TARGET_OBJECTS:myelin_proto>)
set(library_needs deps::sodium deps::gnutls deps::microhttpd deps::curl deps::isal deps::zstd
    deps::charls deps::dcmdata deps::jansson deps::protobufc deps::blst Threads::Threads m)

add_library(libmyelin SHARED ${library_objects})
set_target_properties(libmyelin PROPERTIES
  OUTPUT_NAME myelin LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION 0
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
  LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/libmyelin.map)
target_link_options(libmyelin PRIVATE
  -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/libmyelin.map -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,defs)
target_link_libraries(libmyelin PRIVATE ${library_needs})
target_include_directories(libmyelin INTERFACE ${CMAKE_SOURCE_DIR}/include)

add_library(libmyelin_static STATIC ${library_objects})
set_target_properties(libmyelin_static PROPERTIES
  OUTPUT_NAME myelin LINKER_LANGUAGE CXX ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
target_link_libraries(libmyelin_static PUBLIC ${library_needs})
target_include_directories(libmyelin_static INTERFACE ${CMAKE_SOURCE_DIR}/include)

include(GNUInstallDirs)
install(TARGETS libmyelin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/include/myelin.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Nothing but the face is exported.
add_test(NAME library/exports COMMAND sh -c
  "nm -D --defined-only $<TARGET_FILE:libmyelin> | awk '{print $3}' | sort > exported && \
   grep -oE '\\bmyelin_[a-z_]+\\(' ${CMAKE_SOURCE_DIR}/include/myelin.h | tr -d '(' | sort -u > declared && \
   diff declared exported")
