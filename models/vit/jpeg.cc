#include "vit/jpeg.h"

#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <jpeglib.h>
#include <jerror.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

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
    info_.out_color_space = JCS_RGB;
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

  const char* message() const { return errors_.message; }
  const jpeg_decompress_struct& info() const { return info_; }

 private:
  ErrorState errors_{};
  jpeg_decompress_struct info_{};
};

[[noreturn]] void throw_damaged(const std::string& path, const Decoder& decoder) {
  throw_invalid(fmt::format("{}: not a whole JPEG file: {}", path, decoder.message()));
}

void check_header(const std::string& path, const jpeg_decompress_struct& info) {
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK)
    throw_invalid(fmt::format("{}: a CMYK JPEG; convert it to RGB", path));
  if (info.data_precision != 8)
    throw_invalid(fmt::format("{}: {} bits a sample, must be 8", path, info.data_precision));
  const auto pixels = std::int64_t{info.image_width} * std::int64_t{info.image_height};
  if (pixels > kMaxPixels)
    throw_invalid(fmt::format("{}: {} x {} pixels, more than 2^27", path, info.image_width,
                              info.image_height));
}

}  // namespace

Image load_jpeg(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) throw_invalid(fmt::format("{}: {}", path, std::strerror(errno)));
  Decoder decoder;
  if (!decoder.read_header(file.get())) throw_damaged(path, decoder);
  check_header(path, decoder.info());
  if (!decoder.start()) throw_damaged(path, decoder);
  Image image{decoder.info().output_width, decoder.info().output_height, {}};
  const std::int64_t row = image.width * 3;
  image.pixels.resize(static_cast<std::size_t>(row * image.height));
  for (std::int64_t y = 0; y < image.height; ++y)
    if (!decoder.read_row(image.pixels.data() + y * row)) throw_damaged(path, decoder);
  if (!decoder.finish()) throw_damaged(path, decoder);
  return image;
}

}  // namespace subquad::vit
