#include "tokenizer/hf_post_processor.h"

#include <algorithm>

#include <fmt/format.h>

#include "io/text.h"
#include "tokenizer/hf_steps.h"

namespace subquad::tokenizer {
namespace {

using models::JsonKeys;

// The ids that the template itself gives to a token must be the vocabulary's.
void check_template_ids(const JsonKeys& step, const std::string& name, int id) {
  const nlohmann::json* tokens = step.find("special_tokens");
  if (tokens == nullptr || !tokens->is_object() || !tokens->contains(name)) return;
  const nlohmann::json& token = (*tokens)[name];
  if (!token.is_object() || token.value("ids", nlohmann::json()) != nlohmann::json::array({id}))
    step.fail("special_tokens",
              fmt::format("{} must have the ids [{}], its own", io::in_quotes(name), id));
}

int template_token(const JsonKeys& step, const std::string& name,
                   const std::vector<std::string>& texts) {
  const auto found = std::find(texts.begin(), texts.end(), name);
  if (name.empty() || found == texts.end())
    step.fail("single", io::in_quotes(name) + " is no token");
  const auto id = static_cast<int>(found - texts.begin());
  check_template_ids(step, name, id);
  return id;
}

// One text, at most one token before it and one after it.
void read_text_template(const JsonKeys& step, const std::vector<std::string>& texts,
                        PostProcessor& result) {
  const nlohmann::json* items = step.find("single");
  if (items == nullptr || !items->is_array()) step.fail("single", "must be a list");
  int texts_seen = 0;
  for (const nlohmann::json& json : *items) {
    const JsonKeys item(json, step.where() + ": single");
    const auto token = item.object("SpecialToken");
    texts_seen += item.has("Sequence") ? 1 : 0;
    if (!token) continue;
    const std::string name = token->text("id").value_or("");
    const int id = template_token(step, name, texts);
    if (texts_seen == 0 ? result.before.has_value() : !result.after.empty())
      step.fail("single", "two tokens in a row are not supported");
    if (texts_seen == 0)
      result.before = id;
    else
      result.after = name;
  }
  if (texts_seen != 1) step.fail("single", "must have one Sequence");
}

}  // namespace

PostProcessor read_hf_post_processor(const JsonKeys& root, const std::vector<std::string>& texts) {
  PostProcessor result;
  const auto processor = root.object("post_processor");
  if (!processor) return result;
  each_step(*processor, "processors", [&](const JsonKeys& step) {
    const std::string type = step.text("type").value_or("");
    if (type == "TemplateProcessing")
      read_text_template(step, texts, result);
    else if (type != "ByteLevel")  // which moves offsets only
      step.fail("type", io::in_quotes(type) + ": this step is not supported");
  });
  return result;
}

}  // namespace subquad::tokenizer
