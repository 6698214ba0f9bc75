#include "vit/picture_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "subquad/error.h"
#include "vit/jpeg.h"
#include "vit/png.h"

namespace subquad::vit {
namespace {

// Up to 8.
std::string first_bytes(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw_invalid(fmt::format("{}: {}", path, std::strerror(errno)));
  std::array<char, 8> bytes{};
  const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), file.get());
  if (std::ferror(file.get()) != 0)
    throw_invalid(fmt::format("{}: {}", path, std::strerror(errno)));
  return {bytes.data(), count};
}

}  // namespace

Image load_picture(const std::string& path) {
  const std::string start = first_bytes(path);
  if (start.starts_with("\xFF\xD8")) return load_jpeg(path);
  if (start == "\x89PNG\r\n\x1A\n") return load_png(path);
  throw_invalid(fmt::format("{}: {}", path,
                            start.empty() ? "an empty file" : "neither a JPEG nor a PNG file"));
}

}  // namespace subquad::vit
