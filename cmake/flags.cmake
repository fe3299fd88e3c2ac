# The one set of flags, on the INTERFACE target soma_flags that everything
# links.
#
# -ffp-contract=off and no -ffast-math: the exact build and the native one must
# agree bit for bit, and a NaN must stay visible.

add_library(soma_flags INTERFACE)
target_include_directories(soma_flags INTERFACE "${CMAKE_SOURCE_DIR}/src")
target_compile_definitions(soma_flags INTERFACE "SOMA_BUILD=\"${SOMA_BUILD}\"")
target_compile_options(soma_flags INTERFACE
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla)
if(SOMA_WERROR)
  target_compile_options(soma_flags INTERFACE -Werror)
endif()
if(SOMA_SANITIZE)
  target_compile_options(soma_flags INTERFACE
    -fsanitize=${SOMA_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(soma_flags INTERFACE -fsanitize=${SOMA_SANITIZE})
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
if(NOT EMSCRIPTEN)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
  target_link_libraries(soma_flags INTERFACE Threads::Threads)
  # clock_gettime and friends in tests; pool.c asks for more by itself.
  target_compile_definitions(soma_flags INTERFACE _POSIX_C_SOURCE=200809L)
endif()
