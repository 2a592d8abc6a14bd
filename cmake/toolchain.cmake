# The compiler, its flags and the packages every folder may ask for.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles coroutines: a temporary aggregate or a capturing "
    "lambda in the same full expression as co_await is destroyed twice. Use clang 19 "
    "(Debian package clang-19; the presets name it: cmake --preset release).")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(BREVDUE_WERROR "Treat warnings as errors" ON)
set(BREVDUE_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")
option(BREVDUE_FUZZ "Build the libFuzzer targets" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow
  -D_GLIBCXX_ASSERTIONS -D_FILE_OFFSET_BITS=64 -fno-omit-frame-pointer)
if(BREVDUE_WERROR)
  add_compile_options(-Werror)
endif()
if(BREVDUE_SANITIZE)
  add_compile_options(-fsanitize=${BREVDUE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BREVDUE_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -ftrivial-auto-var-init=zero -fstack-clash-protection
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
add_link_options(-fuse-ld=lld)

find_program(CCACHE ccache)
if(CCACHE)
  # What ccache asks for before it keeps what was compiled with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
    ${CCACHE})
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(isal REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(lmdb REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(fuse3 IMPORTED_TARGET fuse3)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_path(BOOST_ASIO_INCLUDE boost/asio.hpp REQUIRED)
file(STRINGS ${BOOST_ASIO_INCLUDE}/boost/version.hpp boost_version REGEX "define BOOST_VERSION ")
string(REGEX MATCH "[0-9]+" boost_version "${boost_version}")
if(boost_version LESS 108100)
  message(FATAL_ERROR "Boost ${boost_version} is too old: Brevdue needs 1.81 (Debian package libboost1.81-dev).")
endif()

# Asio is compiled once, here: every file that includes it then costs less.
file(WRITE ${CMAKE_BINARY_DIR}/asio_impl.cc "#include <boost/asio/impl/src.hpp>\n")
add_library(brevdue_asio STATIC ${CMAKE_BINARY_DIR}/asio_impl.cc)
target_compile_definitions(brevdue_asio PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_include_directories(brevdue_asio SYSTEM PUBLIC ${BOOST_ASIO_INCLUDE})
target_compile_options(brevdue_asio PRIVATE -w)
target_link_libraries(brevdue_asio PUBLIC Threads::Threads)
enable_testing()
include(GoogleTest)
