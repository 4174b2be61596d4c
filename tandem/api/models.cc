// The registry of served models; see api.h.
#include <algorithm>

#include "tandem/api/api.h"
#include "tandem/base/error.h"

namespace tandem::api {
namespace {

bool answers_to(const Model& model, std::string_view name) {
  return model.id == name ||
         std::find(model.aliases.begin(), model.aliases.end(), name) != model.aliases.end();
}

std::size_t longest_spelling(const text::Tokenizer& tokenizer) {
  std::size_t longest = 1;
  for (text::TokenId id = 0; id < tokenizer.size(); ++id) {
    if (const auto spelling = tokenizer.token(id)) longest = std::max(longest, spelling->size());
  }
  return longest;
}

}  // namespace

std::int32_t Model::context_length() const {
  const std::int32_t formed = engine->info().max_model_len;
  return formed > 0 ? formed : max_model_len;
}

void Models::add(Model model) {
  if (model.id.empty() || !model.engine || !model.tokenizer) {
    throw Error(Code::kInvalidArgument, "a served model needs an id, an engine and a tokenizer");
  }
  model.max_token_bytes = longest_spelling(*model.tokenizer);
  if (model.vocab_size == 0) model.vocab_size = model.tokenizer->size();
  auto added = std::make_shared<const Model>(std::move(model));
  std::lock_guard lock(mutex_);
  const auto same = std::find_if(models_.begin(), models_.end(),
                                 [&](const auto& m) { return m->id == added->id; });
  if (same != models_.end()) {
    *same = std::move(added);
  } else {
    models_.push_back(std::move(added));
  }
}

std::shared_ptr<const Model> Models::find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  if (models_.empty()) return nullptr;
  if (name.empty()) return models_.front();
  const auto found = std::find_if(models_.begin(), models_.end(),
                                  [&](const auto& m) { return answers_to(*m, name); });
  return found == models_.end() ? nullptr : *found;
}

std::vector<std::shared_ptr<const Model>> Models::list() const {
  std::lock_guard lock(mutex_);
  return models_;
}

}  // namespace tandem::api
