#include "io/storage.h"

#include <new>
#include <utility>

#include <fmt/format.h>

namespace subquad::io {
namespace {

constexpr std::align_val_t alignment{64};

void release(std::byte* block) { ::operator delete(block, alignment); }

}  // namespace

std::span<std::byte> Storage::allocate(std::uint64_t size, const Source& source) {
  try {
    blocks_.emplace_back(static_cast<std::byte*>(::operator new(size, alignment)), release);
    return {blocks_.back().get(), size};
  } catch (const std::bad_alloc&) {
    throw_failed(fmt::format("{}: not enough memory for {} bytes", source.label(), size));
  }
}

void Storage::keep(Storage other) {
  for (auto& block : other.blocks_) blocks_.push_back(std::move(block));
}

}  // namespace subquad::io
