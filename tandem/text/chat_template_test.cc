#include "tandem/text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json message(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

ChatInput chat(Json messages) { return {.messages = std::move(messages)}; }

/// A folder that goes with the test.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const char* name, std::string_view text) const { std::ofstream(path_ / name) << text; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(ChatTemplate, phi_gets_its_own_plain_prompt) {
  const ChatTemplate phi = ChatTemplate::builtin("phi");
  EXPECT_EQ(phi.render(chat({message("user", " Why? ")})).text, "Instruct: Why?\nOutput:");
  EXPECT_EQ(phi.render(chat({message("user", "a"), message("assistant", "b"), message("user", "c")})).text,
            "Instruct: a\nOutput: b\nInstruct: c\nOutput:");
  EXPECT_THAT(phi.stop_strings(), ElementsAre("\nInstruct:"));
}

TEST(ChatTemplate, other_models_get_user_and_assistant) {
  const ChatTemplate plain = ChatTemplate::builtin("llama", "<s>");
  const Rendered rendered = plain.render(chat({message("system", "Be brief."), message("user", "<s>Hi")}));
  EXPECT_EQ(rendered.text, "<s>Be brief.\n\nUser: <s>Hi\nAssistant:");
  EXPECT_EQ(rendered.literal, (std::vector<Range>{{3, 12}, {20, 25}}));
  EXPECT_THAT(plain.stop_strings(), ElementsAre("\nUser:"));
}

TEST(ChatTemplate, a_wrong_name_is_answered_with_the_right_ones) {
  try {
    ChatTemplate::named("nope");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.what(), HasSubstr("phi, plain, chatml"));
  }
}

TEST(ChatTemplate, a_folder_without_a_template_has_none) {
  const Folder folder;
  EXPECT_EQ(ChatTemplate::load(folder.path()), nullptr);
  folder.write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(ChatTemplate::load(folder.path()), nullptr);
}

TEST(ChatTemplate, reads_the_configuration_and_its_tokens) {
  const Folder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}",)"
      R"( "bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>", "pad_token": null})");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(chat({message("user", "x")})).text, "<s>x</s>False");
}

TEST(ChatTemplate, takes_the_default_of_several) {
  const Folder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(chat({message("user", "x")})).text, "d");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "r"}]})");
  EXPECT_THROW(ChatTemplate::load(folder.path()), Error);
}

TEST(ChatTemplate, a_file_of_its_own_wins) {
  const Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "config", "bos_token": "<s>"})");
  folder.write("chat_template.jinja", "{{ bos_token }}file\n");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(chat({message("user", "x")})).text, "<s>file");
}

TEST(ChatTemplate, continues_the_final_message) {
  const ChatTemplate chatml = ChatTemplate::named("chatml");
  ChatInput input = chat({message("user", "Hi"), message("assistant", "Once upon ")});
  input.add_generation_prompt = false;
  input.continue_final_message = true;
  const Rendered rendered = chatml.render(input);
  EXPECT_THAT(rendered.text, testing::EndsWith("<|im_start|>assistant\nOnce upon "));
  EXPECT_EQ(rendered.literal.back().end, rendered.text.size());
  input.add_generation_prompt = true;
  EXPECT_THROW(chatml.render(input), Error);
}

TEST(ChatTemplate, a_text_becomes_a_part_where_a_template_reads_only_parts) {
  const ChatTemplate parts = ChatTemplate::parse(
      "{% for m in messages %}{% for c in m.content %}{{ c['text'] }}{% endfor %}{% endfor %}",
      SpecialTokens{});
  EXPECT_TRUE(parts.wants_content_parts());
  EXPECT_EQ(parts.render(chat({message("user", "hello")})).text, "hello");
}

TEST(ChatTemplate, variables_of_a_request_are_literal) {
  const ChatTemplate chat_template = ChatTemplate::parse("{{ '<' ~ effort ~ '>' }}", SpecialTokens{});
  ChatInput input = chat({message("user", "x")});
  input.extra_variables = {{"effort", "high"}};
  const Rendered rendered = chat_template.render(input);
  EXPECT_EQ(rendered.text, "<high>");
  EXPECT_EQ(rendered.literal, (std::vector<Range>{{1, 5}}));
}

TEST(ChatTemplate, a_rendering_keeps_its_limits) {
  const ChatTemplate chat_template =
      ChatTemplate::parse("{{ messages[0].content }}", SpecialTokens{}, {.max_output_bytes = 100});
  EXPECT_EQ(chat_template.render(chat({message("user", "short")})).text, "short");
  EXPECT_THROW(chat_template.render(chat({message("user", std::string(101, 'x').c_str())})), Error);
}

}  // namespace
}  // namespace tandem::text
