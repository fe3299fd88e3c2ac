# The module that the page loads: build/engine/soma-<build>.{mjs,wasm}, and with
# old Emscripten a soma-<build>.worker.js beside the builds with threads.
#
# Everything that depends on Emscripten's version is decided here.

set(threads OFF)
if(SOMA_BUILD MATCHES "-threads$")
  set(threads ON)
endif()
set(relaxed OFF)
if(SOMA_BUILD MATCHES "^fast")
  set(relaxed ON)
endif()

execute_process(COMMAND "${CMAKE_C_COMPILER}" -dumpversion
                OUTPUT_VARIABLE emcc_version OUTPUT_STRIP_TRAILING_WHITESPACE)
message(STATUS "Emscripten ${emcc_version}, build ${SOMA_BUILD}")

# Every browser with SIMD128 has the other three; conversions that saturate
# instead of trapping keep the promise that an export never traps.
target_compile_options(soma_flags INTERFACE
  -msimd128 -mbulk-memory -msign-ext -mnontrapping-fptoint)
# The tiles are written in the order in which their registers suffice; LLVM's own
# order needs more of them than the engines have.
set_source_files_properties(src/kernels/gemm_tile.c PROPERTIES COMPILE_OPTIONS
  "-mllvm;-pre-RA-sched=source")
# Code that runs once a step or less is better small: it is downloaded.
file(GLOB cold_sources CONFIGURE_DEPENDS src/train/*.c src/api/*.c)
list(APPEND cold_sources
  src/base/arena.c src/base/pool.c src/base/status.c src/base/scalar.c src/base/text.c
  src/data/idx.c src/data/batcher.c src/data/dataset.c
  src/nn/activation.c src/nn/batchnorm.c src/nn/dense.c src/nn/dropout.c src/nn/init.c
  src/nn/input.c src/nn/layer.c src/nn/layernorm.c src/nn/loss.c src/nn/network.c
  src/nn/schedule.c src/nn/softmax.c)
set_source_files_properties(${cold_sources} PROPERTIES COMPILE_OPTIONS -Oz)
# These gain nothing from unrolled loops, and those below nothing from -O3: measured
# with tests/bench/compare.mjs. A loop inside one that is to become vectors must be
# written out (src/data/augment.c).
set_source_files_properties(
  src/base/random.c src/data/augment.c
  PROPERTIES COMPILE_OPTIONS -fno-unroll-loops)
set_source_files_properties(
  src/base/image.c src/kernels/columns.c src/kernels/elementwise.c src/kernels/sparse.c
  src/kernels/sparse_images.c
  PROPERTIES COMPILE_OPTIONS -Oz)
set_source_files_properties(
  src/kernels/gemm.c src/kernels/sparse_rows.c
  PROPERTIES COMPILE_OPTIONS -Os)
if(threads)
  target_compile_options(soma_flags INTERFACE -pthread)
endif()
if(relaxed)
  target_compile_definitions(soma_flags INTERFACE SOMA_RELAXED=1)
  include(relaxed)
endif()

if(NOT EXISTS "${CMAKE_SOURCE_DIR}/src/api/exports.c")
  message(STATUS "No src/api/exports.c: only the library is built")
  return()
endif()

set(exports "${CMAKE_SOURCE_DIR}/src/api/exports.txt")
set(engine_dir "${CMAKE_SOURCE_DIR}/build/engine")
add_executable(soma src/api/exports.c)
target_link_libraries(soma PRIVATE core)
set_target_properties(soma PROPERTIES
  OUTPUT_NAME "soma-${SOMA_BUILD}" SUFFIX ".mjs"
  RUNTIME_OUTPUT_DIRECTORY "${engine_dir}"
  LINK_DEPENDS "${exports}")

target_link_options(soma PRIVATE
  "-sEXPORTED_FUNCTIONS=@${exports}"
  -sMODULARIZE -sEXPORT_ES6          # one factory function, as an ES module
  -sENVIRONMENT=web,worker,node
  -sALLOW_MEMORY_GROWTH              # a network may need more than we guess
  -sMEMORY_GROWTH_LINEAR_STEP=2MB    # no fifth more than it needs
  -sMALLOC=dlmalloc                 # emmalloc is 2.5 KB less, but its heap grows
                                     # when networks are made and dropped
  -sABORTING_MALLOC=0                # no memory is a Status, not a trap
  -sFILESYSTEM=0
  -sEXIT_RUNTIME=0
  -sNODEJS_CATCH_EXIT=0              # a library must not watch the process
  -sNODEJS_CATCH_REJECTION=0
  -sASSERTIONS=0
  -sDYNAMIC_EXECUTION=0              # strict Content-Security-Policy: no eval
  -sINCOMING_MODULE_JS_API=instantiateWasm,locateFile,mainScriptUrlOrBlob,print,printErr
  -Wno-pthreads-mem-growth)
if(threads)
  # JavaScript says before the start how many helpers may be wanted. They are
  # loaded by then, so that pthread_create need not wait for an event loop.
  target_link_options(soma PRIVATE -pthread -sMAXIMUM_MEMORY=1GB
    "-sPTHREAD_POOL_SIZE=Module['helpers']" -sPTHREAD_POOL_SIZE_STRICT=2
    -sDEFAULT_PTHREAD_STACK_SIZE=262144)
else()
  target_link_options(soma PRIVATE -sMAXIMUM_MEMORY=2GB)
endif()
if(emcc_version VERSION_LESS 3.1.27)
  set(prelude "${CMAKE_SOURCE_DIR}/cmake/node-require.js")
  target_link_options(soma PRIVATE -sTOTAL_STACK=512KB "--pre-js=${prelude}")
  set_property(TARGET soma APPEND PROPERTY LINK_DEPENDS "${prelude}")
  # Beside it package.json says that the worker file is not an ES module.
  file(WRITE "${engine_dir}/package.json" "{ \"type\": \"commonjs\" }\n")
else()
  target_link_options(soma PRIVATE -sSTACK_SIZE=512KB)
  if(threads)
    target_link_options(soma PRIVATE -sEXPORTED_RUNTIME_METHODS=PThread)
  endif()
endif()
if(relaxed)
  target_link_options(soma PRIVATE ${relaxed_link_options})
endif()

# Debian's emcc runs node scripts that look for Debian's acorn; a node from
# elsewhere only finds it when told.
if(EXISTS /usr/share/nodejs/acorn)
  set_property(TARGET soma PROPERTY RULE_LAUNCH_LINK
    "${CMAKE_COMMAND} -E env NODE_PATH=/usr/share/nodejs")
endif()

include(bench)
