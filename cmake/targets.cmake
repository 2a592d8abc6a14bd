# brevdue_library(NAME SOURCES... DEPS...): one folder, one library, named after the folder.
function(brevdue_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(brevdue_${name} STATIC ${ARG_SOURCES})
  target_include_directories(brevdue_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(brevdue_${name} PUBLIC ${ARG_DEPS})
endfunction()

# brevdue_program(NAME SOURCES... DEPS...): an executable in bin/.
function(brevdue_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
endfunction()

# brevdue_test(NAME SOURCES... DEPS... [LABELS...] [TIMEOUT seconds]): one GoogleTest program, each
# of its tests a CTest test. A test without a label belongs to the default suite.
function(brevdue_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest_main GTest::gmock)
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
