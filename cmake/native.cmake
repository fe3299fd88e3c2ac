# Native tests and benchmarks. Each tests/native/test_*.c is one executable and
# one CTest test; the other files there are helpers that all tests may use.

file(GLOB test_sources CONFIGURE_DEPENDS tests/native/test_*.c)
file(GLOB helper_sources CONFIGURE_DEPENDS tests/native/*.c)
list(REMOVE_ITEM helper_sources ${test_sources})
file(GLOB bench_sources CONFIGURE_DEPENDS tests/bench/*.c)

find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
if(NOT CMOCKA_INCLUDE OR NOT CMOCKA_LIBRARY)
  message(FATAL_ERROR "cmocka is missing (Debian: libcmocka-dev)")
endif()

# What the exported functions do is tested natively too.
set(api_sources "")
if(EXISTS "${CMAKE_SOURCE_DIR}/src/api/exports.c")
  set(api_sources src/api/exports.c)
endif()

add_library(test_support STATIC ${helper_sources} ${api_sources}
            cmake/empty.c)
target_link_libraries(test_support PUBLIC core ${CMOCKA_LIBRARY} m)
target_include_directories(test_support PUBLIC tests/native)
target_include_directories(test_support SYSTEM PUBLIC ${CMOCKA_INCLUDE})
# Golden vectors and seeds are read from where the sources lie.
target_compile_definitions(test_support PUBLIC
  "SOMA_TESTS_DIR=\"${CMAKE_SOURCE_DIR}/tests\"")

enable_testing()
function(soma_test name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE test_support)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

foreach(source IN LISTS test_sources)
  get_filename_component(name ${source} NAME_WE)
  soma_test(${name} ${source})
endforeach()

# The pool once more with the fallback that systems without futexes use.
soma_test(test_pool_portable tests/native/test_pool.c src/base/pool.c)
target_compile_definitions(test_pool_portable PRIVATE SOMA_POOL_PORTABLE)

foreach(source IN LISTS bench_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE core m)
endforeach()
