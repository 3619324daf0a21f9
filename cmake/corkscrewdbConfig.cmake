# find_package(corkscrewdb [COMPONENTS <component>...])
#
#   component     target                     also needs
#   corkscrewdb   corkscrewdb::corkscrewdb   RocksDB, Highway, utf8proc, xxHash
#                 (the default: the embedded database with quantizer and local
#                 embedding)
#   quant         corkscrewdb::quant         Highway
#   embed         corkscrewdb::embed         Highway, utf8proc
#   rpc           corkscrewdb::rpc           gRPC, Protobuf
#                 (client and server of a node)
#
# All need Abseil and threads, all but quant OpenSSL. Several components may be named.
include(CMakeFindDependencyMacro)

set(corkscrewdb_components ${corkscrewdb_FIND_COMPONENTS})
if(NOT corkscrewdb_components)
  set(corkscrewdb_components corkscrewdb)
endif()
foreach(component IN LISTS corkscrewdb_components)
  if(NOT component MATCHES "^(corkscrewdb|quant|embed|rpc)$")
    set(corkscrewdb_FOUND FALSE)
    set(corkscrewdb_NOT_FOUND_MESSAGE
      "unknown component \"${component}\", want corkscrewdb, quant, embed or rpc")
    return()
  endif()
  set(corkscrewdb_${component}_FOUND TRUE)
endforeach()

# The parts to load, each after those that it links.
set(corkscrewdb_parts api)
if(NOT corkscrewdb_components STREQUAL "quant")
  list(APPEND corkscrewdb_parts core)
endif()
if("corkscrewdb" IN_LIST corkscrewdb_components)
  list(APPEND corkscrewdb_parts quant embed corkscrewdb)
endif()
list(APPEND corkscrewdb_parts ${corkscrewdb_components})
list(REMOVE_DUPLICATES corkscrewdb_parts)

find_dependency(Threads)
if("core" IN_LIST corkscrewdb_parts)
  find_dependency(OpenSSL)
endif()
find_dependency(absl)
if("quant" IN_LIST corkscrewdb_parts OR "embed" IN_LIST corkscrewdb_parts)
  find_dependency(hwy)
endif()
if("embed" IN_LIST corkscrewdb_parts OR "corkscrewdb" IN_LIST corkscrewdb_parts)
  # The two libraries without a CMake package.
  find_dependency(PkgConfig)
  if("embed" IN_LIST corkscrewdb_parts)
    pkg_check_modules(utf8proc REQUIRED QUIET IMPORTED_TARGET libutf8proc)
  endif()
  if("corkscrewdb" IN_LIST corkscrewdb_parts)
    pkg_check_modules(xxhash REQUIRED QUIET IMPORTED_TARGET libxxhash)
  endif()
endif()
if("corkscrewdb" IN_LIST corkscrewdb_parts)
  find_dependency(RocksDB CONFIG)
endif()
if("rpc" IN_LIST corkscrewdb_parts)
  find_dependency(Protobuf)
  find_dependency(gRPC CONFIG)
endif()

foreach(part IN LISTS corkscrewdb_parts)
  include(${CMAKE_CURRENT_LIST_DIR}/corkscrewdb-${part}.cmake)
endforeach()
