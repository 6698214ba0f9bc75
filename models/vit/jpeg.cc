#include "vit/jpeg.h"

#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <jpeglib.h>
#include <jerror.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

// libjpeg reports through function pointers and leaves by longjmp.
struct ErrorState {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf leave;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave_with_message(j_common_ptr info) {
  auto* state = reinterpret_cast<ErrorState*>(info->err);
  info->err->format_message(info, state->message);
  std::longjmp(state->leave, 1);
}

// Warnings mean damaged data, except these, after which every pixel is still the encoder's.
bool is_harmless(int code) {
  return code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_TOO_MUCH_DATA;
}

void on_message(j_common_ptr info, int level) {
  if (level < 0 && !is_harmless(info->err->msg_code)) leave_with_message(info);
}

// Owns what libjpeg allocates. No destructor runs on the way of a longjmp: start(), read_row() set
// the jump themselves, return false after one, and hold nothing that needs a destructor.
class Decoder {
 public:
  Decoder() {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = leave_with_message;
    errors_.manager.emit_message = on_message;
    errors_.message[0] = '\0';
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  bool read_header(std::FILE* file) {
    if (setjmp(errors_.leave) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_stdio_src(&info_, file);
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  bool start() {
    if (setjmp(errors_.leave) != 0) return false;
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    return true;
  }
  bool read_row(std::uint8_t* row) {
    if (setjmp(errors_.leave) != 0) return false;
    jpeg_read_scanlines(&info_, &row, 1);
    return true;
  }
  bool finish() {
    if (setjmp(errors_.leave) != 0) return false;
    jpeg_finish_decompress(&info_);
    return true;
  }

  bool is_cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }
  const char* message() const { return errors_.message; }
  const jpeg_decompress_struct& info() const { return info_; }

 private:
  ErrorState errors_{};
  jpeg_decompress_struct info_{};
};

[[noreturn]] void throw_damaged(const std::string& path, const Decoder& decoder) {
  throw_invalid(fmt::format("{}: not a whole JPEG file: {}", path, decoder.message()));
}

// a b / 255, rounded as Pillow does.
int product(int a, int b) {
  const int scaled = a * b + 128;
  return ((scaled >> 8) + scaled) >> 8;
}

// `inks`: C, M, Y, K of each pixel, 255 is none.
void to_rgb(const std::vector<std::uint8_t>& inks, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < inks.size(); i += 4)
    for (std::size_t c = 0; c < 3; ++c)
      *rgb++ = static_cast<std::uint8_t>(inks[i + 3] - product(255 - inks[i + c], inks[i + 3]));
}

// Every row of `image`; false: damaged.
bool read_rows(Decoder& decoder, Image& image) {
  const std::int64_t row = image.width * 3;
  std::vector<std::uint8_t> inks(decoder.is_cmyk() ? static_cast<std::size_t>(image.width * 4) : 0);
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::uint8_t* rgb = image.pixels.data() + y * row;
    if (!decoder.read_row(decoder.is_cmyk() ? inks.data() : rgb)) return false;
    if (decoder.is_cmyk()) to_rgb(inks, rgb);
  }
  return decoder.finish();
}

}  // namespace

Image load_jpeg(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw_invalid(fmt::format("{}: {}", path, std::strerror(errno)));
  Decoder decoder;
  if (!decoder.read_header(file.get())) throw_damaged(path, decoder);
  if (decoder.info().data_precision != 8)
    throw_invalid(
        fmt::format("{}: {} bits a sample, must be 8", path, decoder.info().data_precision));
  Image image = make_image(path, decoder.info().image_width, decoder.info().image_height);
  if (!decoder.start() || !read_rows(decoder, image)) throw_damaged(path, decoder);
  return image;
}

}  // namespace subquad::vit
