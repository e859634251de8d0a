# The Orthanc plugin, libmyelin-orthanc.so: the library and apps/orthanc in one module. Built where
# Orthanc's SDK is (Debian: orthanc-dev). The SDK is under the GPL, version 3 or later, and so is
# the module as a whole; the sources here stay under Apache-2.0, which is compatible with it.
find_path(ORTHANC_SDK orthanc/OrthancCPlugin.h)
option(MYELIN_ORTHANC "Build the Orthanc plugin" ON)
if(MYELIN_ORTHANC AND ORTHANC_SDK)
  file(GLOB orthanc_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/apps/orthanc/*.c)
  list(FILTER orthanc_sources EXCLUDE REGEX plugin\\.c$)
  # Apart from its entry points, so that tests can link its parts.
  include(cmake/pages.cmake)
  file(GLOB orthanc_pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/apps/orthanc/pages/*)
  pages_viewer_files(orthanc_viewer)
  pages_make(orthanc_page_sources ${orthanc_pages} ${orthanc_viewer})
  add_library(myelin_orthanc STATIC ${orthanc_sources} ${orthanc_page_sources})
  target_include_directories(myelin_orthanc PUBLIC ${CMAKE_SOURCE_DIR}/apps/orthanc)
  target_include_directories(myelin_orthanc SYSTEM PUBLIC ${ORTHANC_SDK})
  target_link_libraries(myelin_orthanc PUBLIC myelin_options myelin_flow deps::jansson)

  add_library(myelin-orthanc MODULE ${CMAKE_SOURCE_DIR}/apps/orthanc/plugin.c)
  set(orthanc_symbols ${CMAKE_SOURCE_DIR}/apps/orthanc/myelin-orthanc.map)
  set_target_properties(myelin-orthanc PROPERTIES LINKER_LANGUAGE CXX
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib LINK_DEPENDS ${orthanc_symbols})
  # Its own symbols stay its own beside Orthanc's and other plugins' libraries; threads that end
  # late still find their code.
  target_link_options(myelin-orthanc PRIVATE -Wl,--version-script=${orthanc_symbols}
    -Wl,-Bsymbolic -Wl,-z,nodelete)
  target_link_libraries(myelin-orthanc PRIVATE myelin_orthanc)
  install(TARGETS myelin-orthanc LIBRARY DESTINATION ${CMAKE_INSTALL_DATADIR}/orthanc/plugins)

  add_test(NAME orthanc/exports COMMAND sh -c
    "nm -D --defined-only $<TARGET_FILE:myelin-orthanc> | awk '{print $3}' | sort | tr '\\n' ' ' | \
     grep -qx 'OrthancPluginFinalize OrthancPluginGetName OrthancPluginGetVersion OrthancPluginInitialize '")
endif()
