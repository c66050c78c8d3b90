# Utility targets: spec, lint, format, gen-cdef, and check = spec + lint. One whose tool is missing
# says so and does nothing.
enable_testing()

# loam_tool_target(NAME TOOL COMMAND...): runs COMMAND in the source tree, or tells that TOOL is
# missing.
function(loam_tool_target name tool)
  string(TOUPPER LOAM_TOOL_${tool} variable)
  find_program(${variable} ${tool})
  mark_as_advanced(${variable})
  set(command ${ARGN})
  if(NOT ${variable})
    set(command ${CMAKE_COMMAND} -E echo "${name} skipped: ${tool} not found")
  endif()
  add_custom_target(${name} COMMAND ${command}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} USES_TERMINAL VERBATIM)
endfunction()

set(spec_command ${CMAKE_COMMAND} -E env LOAM_BUILD_DIR=${PROJECT_BINARY_DIR} busted)
loam_tool_target(spec busted ${spec_command})
add_dependencies(spec loam_testing libloam)
if(TARGET loam)
  add_dependencies(spec loam)
endif()
loam_tool_target(lint bash scripts/lint)
loam_tool_target(format clang-format
  bash -c "find core examples -name '*.[ch]' 2>/dev/null | xargs clang-format -i")
loam_tool_target(gen-cdef luajit scripts/gen_cdef.lua)
add_custom_target(check DEPENDS spec lint)

add_test(NAME spec COMMAND ${spec_command} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
