# Fuzz targets: each tests/fuzz/fuzz_NAME.c with libFuzzer; seeds lie in
# tests/fuzz/seeds/NAME. Needs clang. Running them: tests/run.sh.

if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "fuzz targets need clang (preset native-fuzz)")
endif()
target_compile_options(soma_flags INTERFACE -fsanitize=fuzzer-no-link)

file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
# libFuzzer's entry point is declared nowhere.
set_source_files_properties(${fuzz_sources} PROPERTIES
  COMPILE_OPTIONS -Wno-missing-prototypes)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE core m)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endforeach()
