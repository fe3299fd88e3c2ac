# Relaxed SIMD for the fast builds. Emscripten whose clang knows the standard
# relaxed multiply-add only needs -mrelaxed-simd.
#
# Debian 12's Emscripten 3.1.6 (clang 14) does not. There the objects come from
# Debian's clang-19, against Emscripten's headers and with the features of the
# MVP plus those in use, and emcc links them. At -O1 and with BigInt its
# Binaryen has no pass to run over the bodies, whose relaxed instructions it
# would not understand; SOMA insists on that with ERROR_ON_WASM_CHANGES.

include(CheckCSourceCompiles)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_REQUIRED_FLAGS "-msimd128 -mrelaxed-simd -Werror")
check_c_source_compiles("
  typedef float f32x4 __attribute__((vector_size(16)));
  f32x4 madd(f32x4 a, f32x4 b, f32x4 c);
  f32x4 madd(f32x4 a, f32x4 b, f32x4 c) {
    return __builtin_wasm_relaxed_madd_f32x4(a, b, c);
  }" SOMA_EMCC_KNOWS_RELAXED)
unset(CMAKE_REQUIRED_FLAGS)

target_compile_options(soma_flags INTERFACE -mrelaxed-simd)
set(relaxed_link_options -mrelaxed-simd)
if(SOMA_EMCC_KNOWS_RELAXED)
  return()
endif()

find_program(SOMA_CLANG NAMES clang-22 clang-21 clang-20 clang-19 clang-18)
if(NOT SOMA_CLANG)
  message(FATAL_ERROR
    "The fast builds need relaxed SIMD, which this Emscripten does not know: "
    "install clang-19 (Debian: apt-get install clang-19) or a newer Emscripten")
endif()
message(STATUS "Objects of the fast build by ${SOMA_CLANG}")

set(sysroot "${EMSCRIPTEN_ROOT_PATH}/cache/sysroot")
set(target_flags "--target=wasm32-unknown-emscripten --sysroot=${sysroot}")
string(APPEND target_flags " -isystem ${sysroot}/include/compat -mcpu=mvp")
string(APPEND target_flags " -mmutable-globals")
# As emcc does: loop strength reduction hides the constant offsets of loads.
string(APPEND target_flags " -D__EMSCRIPTEN__=1 -mllvm -disable-lsr")
if(threads)
  string(APPEND target_flags " -matomics")
endif()
set(CMAKE_C_COMPILE_OBJECT
  "${SOMA_CLANG} ${target_flags} <DEFINES> <INCLUDES> <FLAGS> -o <OBJECT> -c <SOURCE>")
set(relaxed_link_options -O1 -sWASM_BIGINT -sERROR_ON_WASM_CHANGES_AFTER_LINK)
