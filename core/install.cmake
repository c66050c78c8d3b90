# What `cmake --install` puts where: the library, its one header, the Lua module kv, and the package
# files that other builds find them by; the program is installed by core/host. loam.pc is written at
# install time, so that `cmake --install --prefix` is honoured.
include(CMakePackageConfigHelpers)

set_target_properties(libloam PROPERTIES EXPORT_NAME loam PUBLIC_HEADER
  ${CMAKE_CURRENT_SOURCE_DIR}/loam.h)
target_include_directories(libloam INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS libloam EXPORT loamTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# Where LuaJIT of the same prefix looks for modules.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/kv DESTINATION ${CMAKE_INSTALL_DATADIR}/lua/5.1
  FILES_MATCHING PATTERN "*.lua")

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/loam)
install(EXPORT loamTargets NAMESPACE loam:: DESTINATION ${package_folder})
configure_package_config_file(loamConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/loamConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/loamConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/loamConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/loamConfigVersion.cmake DESTINATION ${package_folder})

install(CODE "set(PROJECT_VERSION \"${PROJECT_VERSION}\")
set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
configure_file(\"${CMAKE_CURRENT_SOURCE_DIR}/loam.pc.in\"
  \"${CMAKE_CURRENT_BINARY_DIR}/loam.pc\" @ONLY)")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/loam.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
