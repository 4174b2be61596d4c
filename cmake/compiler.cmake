# Warnings, ccache and sanitizers, the same for every room.
find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cached only when ccache may ignore their time macros.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

add_library(tandem_flags INTERFACE)
target_compile_options(tandem_flags INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion
                       -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside libstdc++ and Asio at -O2, not in our code.
  target_compile_options(tandem_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict
                         -Wno-stringop-overflow -Wno-array-bounds)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(tandem_flags INTERFACE -Wno-error=maybe-uninitialized)
  endif()
endif()
if(TANDEM_WERROR)
  target_compile_options(tandem_flags INTERFACE -Werror)
endif()
target_include_directories(tandem_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(tandem_flags INTERFACE TANDEM_VERSION="${PROJECT_VERSION}")
if(TANDEM_SANITIZE)
  target_compile_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(tandem_flags INTERFACE -fsanitize=${TANDEM_SANITIZE})
endif()
