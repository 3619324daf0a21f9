# Every target of this project is made by one of these functions.

add_library(corkscrew_flags INTERFACE)
target_compile_features(corkscrew_flags INTERFACE cxx_std_20)
# No contraction: codes and scores are equal on every compiler, so a*b+c is two
# roundings everywhere. Kernels that want a fused multiply-add say so.
target_compile_options(corkscrew_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  -ffp-contract=off
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${CORKSCREW_WERROR}>:-Werror>)
target_compile_definitions(corkscrew_flags INTERFACE HWY_WANT_AVX3_DL)
if(CORKSCREW_SANITIZE)
  target_compile_options(corkscrew_flags INTERFACE
    -fsanitize=${CORKSCREW_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(corkscrew_flags INTERFACE
    -fsanitize=${CORKSCREW_SANITIZE})
endif()

# corkscrew_library(<folder> SRCS <files> DEPS <targets>)
# Makes corkscrew_<folder>, also called corkscrewdb::<folder> as in the installed
# package. To be installed it must be named in cmake/install.cmake.
function(corkscrew_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(corkscrew_${name} STATIC ${ARG_SRCS})
  target_link_libraries(corkscrew_${name}
    PUBLIC ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:corkscrew_flags>)
  target_include_directories(corkscrew_${name}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_compile_features(corkscrew_${name} PUBLIC cxx_std_20)
  set_target_properties(corkscrew_${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON EXPORT_NAME ${name})
  add_library(corkscrewdb::${name} ALIAS corkscrew_${name})
endfunction()

# corkscrew_binary(<name> SRCS <files> DEPS <targets>)
# A program that is installed.
function(corkscrew_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} corkscrew_flags)
  install(TARGETS ${name})
endfunction()

# corkscrew_test(<name> SRCS <files> DEPS <targets> [LABELS <labels>]
#                [TIMEOUT <seconds>] [DEFINITIONS <macros>])
# Labels: unit (the default; all together under a minute), integration, slow,
# lint; beside one of these also `threads` (run under ThreadSanitizer).
function(corkscrew_test name)
  if(NOT CORKSCREW_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS;DEFINITIONS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SRCS})
  target_compile_definitions(${name} PRIVATE
    CORKSCREW_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    CORKSCREW_DATA_DIR="${CORKSCREW_DATA_DIR}" ${ARG_DEFINITIONS})
  # Code of tests is compiled more often than it runs: this halves the time.
  if(CORKSCREW_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)
  else()
    target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1 -g1>)
  endif()
  target_link_libraries(${name} PRIVATE
    ${ARG_DEPS} corkscrew_testing corkscrew_flags GTest::gmock GTest::gtest_main)
  if("threads" IN_LIST ARG_LABELS)
    set_property(GLOBAL APPEND PROPERTY CORKSCREW_THREADS_TESTS ${name})
  endif()
  include(GoogleTest)
  # One label like unit+threads: gtest_discover_tests() takes a list property
  # apart. ctest -L matches parts of it.
  list(JOIN ARG_LABELS "+" labels)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120
    PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# corkscrew_fuzz(<name> SRCS <files> DEPS <targets> CORPUS <folder>)
# A fuzz target: the sources define LLVMFuzzerTestOneInput. With -fsanitize=
# fuzzer-no-link (preset fuzz) a libFuzzer program:
#   build/fuzz/embed/gguf_fuzz NEW_FINDINGS_DIR tests/testdata/fuzz/gguf_fuzz
# Otherwise a unit test that replays the files of the corpus.
function(corkscrew_fuzz name)
  if(NOT CORKSCREW_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "CORPUS" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} corkscrew_flags)
  if(CORKSCREW_SANITIZE MATCHES "fuzzer")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name}.ReplaysItsCorpus COMMAND ${name} ${ARG_CORPUS})
    set_tests_properties(${name}.ReplaysItsCorpus PROPERTIES
      LABELS unit TIMEOUT 60)
  endif()
endfunction()
