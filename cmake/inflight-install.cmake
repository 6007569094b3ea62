include(CMakePackageConfigHelpers)

set(inflight_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/inflight)
set_target_properties(inflight_core PROPERTIES EXPORT_NAME core)

install(TARGETS inflight_core inflight EXPORT inflight-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT inflight-targets NAMESPACE inflight:: DESTINATION ${inflight_config_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/inflight DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.hpp")

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/inflight-config.cmake.in
    ${PROJECT_BINARY_DIR}/inflight-config.cmake INSTALL_DESTINATION ${inflight_config_dir}
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may break. Of headers alone one installation serves every architecture.
set(inflight_arch ARCH_INDEPENDENT)
if(INFLIGHT_SEPARATE_COMPILATION)
    set(inflight_arch "")
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/inflight-config-version.cmake
    COMPATIBILITY SameMinorVersion ${inflight_arch})
install(FILES
    ${PROJECT_BINARY_DIR}/inflight-config.cmake
    ${PROJECT_BINARY_DIR}/inflight-config-version.cmake
    ${CMAKE_CURRENT_LIST_DIR}/inflight-asio.cmake
    ${CMAKE_CURRENT_LIST_DIR}/inflight-scram.cmake
    ${CMAKE_CURRENT_LIST_DIR}/inflight-tls.cmake
    ${CMAKE_CURRENT_LIST_DIR}/inflight-websocket.cmake
    DESTINATION ${inflight_config_dir})
install(FILES ${CMAKE_CURRENT_LIST_DIR}/wslay/CMakeLists.txt DESTINATION ${inflight_config_dir}/wslay)
