# The plugin's pages, and the libraries that the viewer's page stands on, become part of the plugin:
# one file to install, and no folder of scripts that somebody could change.
#
#     pages_make(out_sources FILE...)    sources with the table of apps/orthanc/pages.h in them
function(pages_make out_sources)
  set(folder ${CMAKE_BINARY_DIR}/pages)
  set(data "/* The files of the pages; made by cmake/pages.cmake. */\n.section .rodata\n")
  set(table "/* Made by cmake/pages.cmake. */\n#include \"pages.h\"\n\n")
  set(rows "")
  set(number 0)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    string(APPEND data
      ".balign 16\n.globl pages_data_${number}\n.hidden pages_data_${number}\npages_data_${number}:\n"
      ".incbin \"${file}\"\n"
      ".globl pages_end_${number}\n.hidden pages_end_${number}\npages_end_${number}:\n.byte 0\n")
    string(APPEND table
      "extern const char pages_data_${number}[], pages_end_${number}[];\n")
    string(APPEND rows "    {\"${name}\", pages_data_${number}, pages_end_${number}},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  string(APPEND data ".section .note.GNU-stack,\"\",%progbits\n")
  string(APPEND table "\nconst struct pages_file pages_files[] = {\n${rows}    {0},\n};\n")
  file(CONFIGURE OUTPUT ${folder}/pages_data.S CONTENT "${data}" @ONLY)
  file(CONFIGURE OUTPUT ${folder}/pages_table.c CONTENT "${table}" @ONLY)
  set_source_files_properties(${folder}/pages_data.S PROPERTIES OBJECT_DEPENDS "${ARGN}")
  set(${out_sources} ${folder}/pages_data.S ${folder}/pages_table.c PARENT_SCOPE)
endfunction()

# What the viewer needs of deps/viewer: prebuilt, minified, as they come. Without them the plugin is
# whole but for its viewer, whose page says so.
function(pages_viewer_files out_files)
  set(modules ${CMAKE_SOURCE_DIR}/deps/viewer/node_modules)
  file(GLOB found CONFIGURE_DEPENDS
    ${modules}/cornerstone-core/dist/cornerstone.min.js
    ${modules}/dicom-parser/dist/dicomParser.min.js
    ${modules}/cornerstone-wado-image-loader/dist/dynamic-import/*.js
    ${modules}/cornerstone-wado-image-loader/dist/dynamic-import/*.wasm)
  if(NOT EXISTS ${modules}/cornerstone-wado-image-loader/dist/dynamic-import)
    message(WARNING "The plugin is built without its viewer: in deps/viewer, npm ci --ignore-scripts")
  endif()
  # Their licences ask to go with every copy.
  file(GLOB licences CONFIGURE_DEPENDS
    ${modules}/cornerstone-core/LICENSE ${modules}/dicom-parser/LICENSE
    ${modules}/cornerstone-wado-image-loader/LICENSE ${modules}/pako/LICENSE
    ${modules}/@cornerstonejs/*/LICENSE)
  set(text "")
  foreach(licence IN LISTS licences)
    file(READ ${licence} words)
    file(RELATIVE_PATH name ${modules} ${licence})
    string(APPEND text "${name}\n\n${words}\n\n")
  endforeach()
  if(licences)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pages/licences.txt CONTENT "${text}" @ONLY)
    list(APPEND found ${CMAKE_BINARY_DIR}/pages/licences.txt)
  endif()
  set(${out_files} ${found} PARENT_SCOPE)
endfunction()
