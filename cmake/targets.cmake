# Headers that most files include, compiled once for each kind of target: a third of the time of a
# build. A file includes what it uses all the same; the dev and lint presets build without.
set(brevdue_common_headers
  <algorithm> <array> <atomic> <chrono> <cstdint> <expected> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
  <fmt/format.h>)
set(brevdue_network_headers <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp>
  <boost/asio/local/stream_protocol.hpp> <boost/asio/steady_timer.hpp>)
file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cc "int main() {}\n")

# brevdue_precompile(KIND HEADERS... DEPS... [OPTIONS...])
function(brevdue_precompile kind)
  cmake_parse_arguments(ARG "" "" "HEADERS;DEPS;OPTIONS" ${ARGN})
  if(kind MATCHES "test")
    # An executable, as tests are: it is compiled with -fPIE, a library with -fPIC.
    add_executable(brevdue_precompiled_${kind} ${CMAKE_BINARY_DIR}/precompiled.cc)
  else()
    add_library(brevdue_precompiled_${kind} OBJECT ${CMAKE_BINARY_DIR}/precompiled.cc)
  endif()
  target_link_libraries(brevdue_precompiled_${kind} PRIVATE ${ARG_DEPS})
  target_compile_options(brevdue_precompiled_${kind} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(brevdue_precompiled_${kind} PRIVATE ${ARG_HEADERS})
endfunction()

# Most tests take no time worth optimizing for; compiling them does.
if(BREVDUE_SANITIZE)
  set(brevdue_test_options -O0)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(brevdue_test_options -O1)
endif()
brevdue_precompile(common HEADERS ${brevdue_common_headers} DEPS fmt::fmt)
brevdue_precompile(network HEADERS ${brevdue_common_headers} ${brevdue_network_headers}
  DEPS fmt::fmt brevdue_asio)
brevdue_precompile(test HEADERS ${brevdue_common_headers} <gmock/gmock.h> <gtest/gtest.h>
  DEPS fmt::fmt GTest::gmock OPTIONS ${brevdue_test_options})
brevdue_precompile(busy_test HEADERS ${brevdue_common_headers} <gmock/gmock.h> <gtest/gtest.h>
  DEPS fmt::fmt GTest::gmock)

# brevdue_library(NAME SOURCES... DEPS...): one folder, one library, named after the folder.
function(brevdue_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(brevdue_${name} STATIC ${ARG_SOURCES})
  target_include_directories(brevdue_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(brevdue_${name} PUBLIC ${ARG_DEPS})
  if("brevdue_asio" IN_LIST ARG_DEPS)
    target_precompile_headers(brevdue_${name} REUSE_FROM brevdue_precompiled_network)
  else()
    target_precompile_headers(brevdue_${name} REUSE_FROM brevdue_precompiled_common)
  endif()
endfunction()

# brevdue_program(NAME SOURCES... DEPS...): an executable in bin/.
function(brevdue_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()

# brevdue_test(NAME SOURCES... DEPS... [LABELS...] [TIMEOUT seconds] [BUSY]): one GoogleTest program,
# each of its tests a CTest test. A test without a label belongs to the default suite. BUSY: its own
# code computes so much that it is compiled as the rest is.
function(brevdue_test name)
  cmake_parse_arguments(ARG "BUSY" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main GTest::gmock)
  if(ARG_BUSY)
    target_precompile_headers(${name} REUSE_FROM brevdue_precompiled_busy_test)
  else()
    target_compile_options(${name} PRIVATE ${brevdue_test_options})
    target_precompile_headers(${name} REUSE_FROM brevdue_precompiled_test)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_TYPES NO_PRETTY_VALUES
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# brevdue_disk_test(NAME SOURCES... DEPS...): a test that mounts file systems on bench/disk as root,
# with tests/disk/mounted_disk.h; nothing where that cannot be built.
function(brevdue_disk_test name)
  if(NOT TARGET brevdue-disk)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  brevdue_test(${name}
    SOURCES ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/disk/mounted_disk.cc
    DEPS ${ARG_DEPS} brevdue_bench_disk brevdue_test_support
    LABELS root)
  target_compile_definitions(${name} PRIVATE
    BREVDUE_WITH_DISK="${CMAKE_SOURCE_DIR}/bench/disk/with-disk"
    BREVDUE_DISK_PROGRAM="$<TARGET_FILE:brevdue-disk>")
  add_dependencies(${name} brevdue-disk)
endfunction()

# brevdue_fuzz(NAME SOURCES... DEPS...): a libFuzzer target with its corpus in tests/fuzz/corpus/NAME.
function(brevdue_fuzz name)
  if(NOT BREVDUE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
