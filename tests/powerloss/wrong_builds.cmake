# Wrong builds, each to be caught by a part of the suite: tests/powerloss/mutants says which.
# Nothing of them is built by default; the target wrong-builds makes all.
#
# brevdue_wrong_build(NAME SOURCES... [TRIALS sources...] [DEFINE macro]): the programs that have a
# store in them, with SOURCES, compiled with the macro, in place of what the libraries have;
# brevdue-store-trials with TRIALS instead, if given. In bin/wrong/NAME.
add_custom_target(wrong-builds)
function(brevdue_wrong_objects name define)
  list(TRANSFORM ARGN PREPEND ${CMAKE_SOURCE_DIR}/)
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE brevdue_daemon GTest::gtest)
  target_compile_definitions(${name} PRIVATE ${define})
endfunction()

function(brevdue_wrong_build name)
  cmake_parse_arguments(ARG "" "DEFINE" "SOURCES;TRIALS" ${ARGN})
  brevdue_wrong_objects(wrong-${name} "${ARG_DEFINE}" ${ARG_SOURCES})
  add_custom_target(wrong-build-${name})
  add_dependencies(wrong-builds wrong-build-${name})
  foreach(program IN ITEMS brevdue brevdue-recorded-cuts brevdue-store-trials)
    set(objects wrong-${name})
    if(program STREQUAL "brevdue-store-trials" AND ARG_TRIALS)
      set(objects wrong-${name}-trials)
      brevdue_wrong_objects(${objects} "${ARG_DEFINE}" ${ARG_TRIALS})
    endif()
    set(wrong wrong-${name}-${program})
    add_executable(${wrong} EXCLUDE_FROM_ALL
      $<TARGET_OBJECTS:${program}> $<TARGET_OBJECTS:${objects}>)
    get_target_property(libraries ${program} LINK_LIBRARIES)
    target_link_libraries(${wrong} PRIVATE ${libraries})
    set_target_properties(${wrong} PROPERTIES OUTPUT_NAME ${program} LINKER_LANGUAGE CXX
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/wrong/${name})
    add_dependencies(wrong-build-${name} ${wrong})
  endforeach()
endfunction()

# Of the queue and of a store: that a DSN follows what it reports.
brevdue_wrong_build(late-notice DEFINE BREVDUE_MUTANT_QUEUE_LATE_NOTICE
  SOURCES queue/queue.cc TRIALS tests/powerloss/wrong/late_notice.cc)
brevdue_wrong_build(no-checksum SOURCES tests/powerloss/wrong/no_checksum.cc)
# No power cut shows LMDB's values damaged; flips of bytes do.
add_executable(wrong-no-checksum-lmdb_test EXCLUDE_FROM_ALL
  $<TARGET_OBJECTS:lmdb_test> $<TARGET_OBJECTS:wrong-no-checksum>)
get_target_property(libraries lmdb_test LINK_LIBRARIES)
target_link_libraries(wrong-no-checksum-lmdb_test PRIVATE ${libraries})
set_target_properties(wrong-no-checksum-lmdb_test PROPERTIES OUTPUT_NAME lmdb_test
  LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/wrong/no-checksum)
add_dependencies(wrong-build-no-checksum wrong-no-checksum-lmdb_test)
brevdue_wrong_build(no-directory-sync SOURCES tests/powerloss/wrong/no_directory_sync.cc
  TRIALS tests/powerloss/wrong/no_directory_sync_trials.cc)
brevdue_wrong_build(retried-sync SOURCES tests/powerloss/wrong/retried_sync.cc
  TRIALS tests/powerloss/wrong/retried_sync_trials.cc)
brevdue_wrong_build(iouring-no-sync SOURCES backends/iouring/file_log_device.cc
  DEFINE BREVDUE_MUTANT_IOURING_NO_SYNC)
brevdue_wrong_build(iouring-early-answer SOURCES backends/iouring/log_writer.cc
  DEFINE BREVDUE_MUTANT_IOURING_EARLY_ANSWER)
brevdue_wrong_build(iouring-retried-sync SOURCES backends/iouring/writes_in_flight.cc
  DEFINE BREVDUE_MUTANT_IOURING_RETRIED_SYNC)
brevdue_wrong_build(iouring-early-reuse SOURCES backends/iouring/segment_table.cc
  DEFINE BREVDUE_MUTANT_IOURING_EARLY_REUSE)
brevdue_wrong_build(lmdb-no-sync DEFINE BREVDUE_MUTANT_LMDB_NO_SYNC
  SOURCES backends/lmdb/lmdb_environment.cc backends/lmdb/lmdb_store.cc backends/lmdb/lmdb_room.cc
    backends/lmdb/zero_writer.cc)
brevdue_wrong_build(lmdb-early-answer SOURCES backends/lmdb/lmdb_store.cc
  DEFINE BREVDUE_MUTANT_LMDB_EARLY_ANSWER)
brevdue_wrong_build(maildir-no-sync SOURCES backends/maildir/maildir_store.cc
  DEFINE BREVDUE_MUTANT_MAILDIR_NO_SYNC)
brevdue_wrong_build(maildir-early-answer SOURCES backends/maildir/maildir_store.cc
  DEFINE BREVDUE_MUTANT_MAILDIR_EARLY_ANSWER)
