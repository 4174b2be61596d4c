# What the rooms link against. Everything comes from the system's packages, libtorch from .venv.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

# The version is compiled in even where libtorch is not linked: the handshake compares it.
set(TANDEM_TORCH_VERSION "2.13.0" CACHE STRING "The torch release that stages are built against")
target_compile_definitions(tandem_flags INTERFACE TANDEM_TORCH_VERSION="${TANDEM_TORCH_VERSION}")

if(TANDEM_TORCH)
  file(GLOB TANDEM_VENV_TORCH ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(APPEND CMAKE_PREFIX_PATH ${TANDEM_VENV_TORCH})
  find_package(Torch ${TANDEM_TORCH_VERSION} EXACT REQUIRED)
  add_library(tandem_torch INTERFACE)
  target_include_directories(tandem_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  target_link_libraries(tandem_torch INTERFACE torch)
  # Makes ProcessGroupGloo visible in the wheel's headers; see tandem/comm/gloo_declarations.
  target_compile_definitions(tandem_torch INTERFACE USE_C10D_GLOO)
endif()

if(TANDEM_TESTS)
  find_package(GTest REQUIRED)
  enable_testing()
  include(GoogleTest)
endif()
