#include "vit/png.h"

#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <png.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

// libpng reports through function pointers and leaves by longjmp.
struct ErrorState {
  std::jmp_buf leave;
  char message[256];
};

[[noreturn]] void leave_with_message(png_structp png, png_const_charp message) {
  auto* state = static_cast<ErrorState*>(png_get_error_ptr(png));
  std::snprintf(state->message, sizeof state->message, "%s", message);
  std::longjmp(state->leave, 1);
}

// Warnings are about what decoding leaves aside: text, profiles, times.
void on_warning(png_structp, png_const_charp) {}

// Owns what libpng allocates. No destructor runs on the way of a longjmp: the steps set the jump
// themselves, return false after one, and hold nothing that needs a destructor.
class Decoder {
 public:
  Decoder()
      : png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, leave_with_message,
                                    on_warning)),
        info_(png_ != nullptr ? png_create_info_struct(png_) : nullptr) {
    if (info_ == nullptr) std::strcpy(errors_.message, "libpng does not start");
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(std::FILE* file) {
    if (info_ == nullptr || setjmp(errors_.leave) != 0) return false;
    png_init_io(png_, file);
    png_read_info(png_, info_);
    return true;
  }
  // Every kind of PNG to rows of 8-bit R, G, B.
  bool start() {
    if (setjmp(errors_.leave) != 0) return false;
    png_set_palette_to_rgb(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  // Up to the end-of-image chunk.
  bool read_rows(png_bytepp rows) {
    if (setjmp(errors_.leave) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  const char* message() const { return errors_.message; }
  std::int64_t width() const { return png_get_image_width(png_, info_); }
  std::int64_t height() const { return png_get_image_height(png_, info_); }
  std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }

 private:
  ErrorState errors_{};
  png_structp png_;
  png_infop info_;
};

[[noreturn]] void throw_damaged(const std::string& path, const char* message) {
  throw_invalid(fmt::format("{}: not a whole PNG file: {}", path, message));
}

}  // namespace

Image load_png(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw_invalid(fmt::format("{}: {}", path, std::strerror(errno)));
  Decoder decoder;
  if (!decoder.read_header(file.get())) throw_damaged(path, decoder.message());
  Image image = make_image(path, decoder.width(), decoder.height());
  if (!decoder.start()) throw_damaged(path, decoder.message());
  const auto row = static_cast<std::size_t>(image.width * 3);
  if (decoder.row_bytes() != row) throw_damaged(path, "its rows do not become RGB");
  std::vector<png_bytep> rows;
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y)
    rows.push_back(image.pixels.data() + y * row);
  if (!decoder.read_rows(rows.data())) throw_damaged(path, decoder.message());
  return image;
}

}  // namespace subquad::vit
