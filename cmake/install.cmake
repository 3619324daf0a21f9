# The installed CMake package. cmake/corkscrewdbConfig.cmake loads its parts, so
# that who wants corkscrewdb::quant alone needs neither RocksDB nor gRPC.
include(CMakePackageConfigHelpers)

# The embedded library: everything but the wire.
add_library(corkscrewdb INTERFACE)
add_library(corkscrewdb::corkscrewdb ALIAS corkscrewdb)

# corkscrew_install(<part> <targets>): what one part of the package exports.
set(corkscrew_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/corkscrewdb)
function(corkscrew_install part)
  install(TARGETS ${ARGN} EXPORT corkscrewdb-${part} FILE_SET HEADERS)
  install(EXPORT corkscrewdb-${part} NAMESPACE corkscrewdb::
    DESTINATION ${corkscrew_package_dir} FILE corkscrewdb-${part}.cmake)
endfunction()

target_link_libraries(corkscrewdb INTERFACE
  corkscrew_api corkscrew_db corkscrew_quant corkscrew_embed)
corkscrew_install(api corkscrew_api corkscrew_checksum)
corkscrew_install(core corkscrew_base)
corkscrew_install(quant corkscrew_quant)
corkscrew_install(embed corkscrew_embed)
corkscrew_install(corkscrewdb corkscrew_db corkscrewdb)
corkscrew_install(rpc corkscrew_proto corkscrew_rpc)

# Before 1.0 a minor version may change the API.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/corkscrewdbConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_SOURCE_DIR}/cmake/corkscrewdbConfig.cmake
  ${PROJECT_BINARY_DIR}/corkscrewdbConfigVersion.cmake
  DESTINATION ${corkscrew_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
