# What `cmake --install` lays out, and tools/dist.sh packs: bin/ with both programs, lib/ with every library that they need
# except the C library's own, share/tandem/demo with the demo model. It may be put anywhere: the programs look in ../lib.
if(APPLE)
  set(TANDEM_INSTALL_RPATH "@loader_path/../lib")
else()
  set(TANDEM_INSTALL_RPATH "$ORIGIN/../lib")
endif()
foreach(PROGRAM tandem tandem-stage)
  set_target_properties(${PROGRAM} PROPERTIES INSTALL_RPATH "${TANDEM_INSTALL_RPATH}")
  if(NOT APPLE)
    # DT_RPATH and not DT_RUNPATH, which would not be searched for what the libraries need in their turn.
    target_link_options(${PROGRAM} PRIVATE -Wl,--disable-new-dtags)
  endif()
endforeach()

install(TARGETS tandem tandem-stage RUNTIME_DEPENDENCY_SET tandem_libraries RUNTIME DESTINATION bin)
# glibc fits the kernel and its own files (locales, name services) and is there on every Linux; so are macOS's own libraries.
install(RUNTIME_DEPENDENCY_SET tandem_libraries
        PRE_EXCLUDE_REGEXES "^(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libutil)\\.so" "^/usr/lib/" "^/System/"
        POST_EXCLUDE_REGEXES "/ld-linux[^/]*$" "/lib(c|m|dl|rt|pthread|resolv|util)\\.so[^/]*$"
        DIRECTORIES ${TORCH_INSTALL_PREFIX}/lib
        LIBRARY DESTINATION lib FRAMEWORK DESTINATION lib)

install(FILES LICENSE DESTINATION share/tandem)
file(GLOB TANDEM_TORCH_LICENSES ${TORCH_INSTALL_PREFIX}/../torch-*.dist-info/LICENSE
     ${TORCH_INSTALL_PREFIX}/../torch-*.dist-info/licenses/LICENSE)
install(FILES ${TANDEM_TORCH_LICENSES} DESTINATION share/tandem/licenses/libtorch OPTIONAL)
install(DIRECTORY demo/model/ DESTINATION share/tandem/demo OPTIONAL)
