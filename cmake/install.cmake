# The install tree: headers, library, tool, CMake package, pkg-config file. It can be moved.
include(CMakePackageConfigHelpers)
set(subquad_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/subquad)
get_target_property(subquad_type subquad TYPE)
if(subquad_type STREQUAL "STATIC_LIBRARY")
  set(SUBQUAD_IS_STATIC TRUE)
  set(SUBQUAD_PC_REQUIRES_PRIVATE "libhwy fmt zlib")
  # A C program links the C++ runtime by name.
  set(SUBQUAD_PC_LIBS_PRIVATE "-lstdc++ -lm ${CMAKE_THREAD_LIBS_INIT}")
else()
  set(SUBQUAD_IS_STATIC FALSE)
endif()

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/subquad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS subquad EXPORT subquadTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET subquad_cli)
  file(RELATIVE_PATH subquad_bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(subquad_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${subquad_bin_to_lib}")
endif()

install(EXPORT subquadTargets NAMESPACE subquad:: DESTINATION ${subquad_package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/subquadConfig.cmake.in
  ${PROJECT_BINARY_DIR}/subquadConfig.cmake INSTALL_DESTINATION ${subquad_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/subquadConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/subquadConfig.cmake ${PROJECT_BINARY_DIR}/subquadConfigVersion.cmake
  DESTINATION ${subquad_package_dir})

set(subquad_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH SUBQUAD_PC_TO_PREFIX /prefix/${subquad_pc_dir} /prefix)
string(REGEX REPLACE "/$" "" SUBQUAD_PC_TO_PREFIX "${SUBQUAD_PC_TO_PREFIX}")
configure_file(${PROJECT_SOURCE_DIR}/subquad.pc.in ${PROJECT_BINARY_DIR}/subquad.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/subquad.pc DESTINATION ${subquad_pc_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The guides that --help names, and the derivations that they name.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/guide ${PROJECT_SOURCE_DIR}/docs/theory
  DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
