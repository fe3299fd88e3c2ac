# The module of `npm run bench`: everything that the page's module of this build
# is, made with the same flags from the same objects, and what can only be
# measured from inside. Made when asked for: build/bench-engine/soma-<build>.mjs.

add_executable(bench EXCLUDE_FROM_ALL src/api/exports.c
               tests/bench/engine/kernels.c tests/bench/engine/profile.c)
target_link_libraries(bench PRIVATE core)
foreach(property LINK_OPTIONS LINK_DEPENDS OUTPUT_NAME SUFFIX RULE_LAUNCH_LINK)
  get_target_property(value soma ${property})
  if(value)
    set_property(TARGET bench PROPERTY ${property} "${value}")
  endif()
endforeach()
set_target_properties(bench PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY "${CMAKE_SOURCE_DIR}/build/bench-engine")

# What profile.c puts itself in front of.
foreach(name batcher_next input_load_images loss_forward loss_backward
        optimizer_update pool_run)
  target_link_options(bench PRIVATE "-Wl,--wrap=${name}")
endforeach()
