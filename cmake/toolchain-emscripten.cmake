# Finds the installed Emscripten (Debian, emsdk, Homebrew) and hands over to its
# own toolchain file.

find_program(SOMA_EM_CONFIG em-config)
if(NOT SOMA_EM_CONFIG)
  message(FATAL_ERROR "Emscripten is missing (Debian: emscripten; or emsdk)")
endif()
execute_process(COMMAND "${SOMA_EM_CONFIG}" EMSCRIPTEN_ROOT
                OUTPUT_VARIABLE emscripten_root
                OUTPUT_STRIP_TRAILING_WHITESPACE)
include("${emscripten_root}/cmake/Modules/Platform/Emscripten.cmake")
