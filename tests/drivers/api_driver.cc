// Serves a model that recites one text, for tests that need a server but no weights: api_driver
// [TEXT]. Prints the port and runs until its stdin closes.
#include <chrono>
#include <iostream>
#include <string>

#include "tandem/api/testing/fake_model.h"
#include "tandem/base/error.h"

int main(int argc, char** argv) {
  using namespace tandem;
  try {
    const SteadyClock clock;
    api::testing::RecitingRunner runner(argc > 1 ? argv[1] : "Hello! I recite, I do not think.");
    api::Models models;
    models.add(api::testing::fake_model(runner, {}, clock));
    http::Server server;
    api::mount(server, models, {});
    std::cout << server.listen("127.0.0.1", 0) << std::endl;
    server.start();
    for (std::string line; std::getline(std::cin, line);) {
    }
    server.drain(std::chrono::seconds(1));
  } catch (const Error& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
