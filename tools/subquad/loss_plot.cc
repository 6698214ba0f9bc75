#include "loss_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "linear_axis.h"
#include "svg.h"

namespace subquad::cli {
namespace {

// Pixels of the drawing; two rows of digits end a curve each `digits` apart.
constexpr double width = 600, left = 92, right = 548, top = 16, bottom = 300, digits = 15;

struct Frame {
  LinearAxis x, y;
};

// Zero is always there, with a tenth of the range around the data.
Frame make_frame(const std::vector<LossCurve>& curves, std::int64_t tokens) {
  double low = 0, high = 0;
  for (const LossCurve& curve : curves)
    for (const double nats : curve.nats) {
      low = std::min(low, nats);
      high = std::max(high, nats);
    }
  const double room = std::max(0.1 * (high - low), 1e-4);
  return {LinearAxis(0, static_cast<double>(tokens), left, right),
          LinearAxis(low - room, high + room, bottom, top)};
}

std::string axes(const Frame& frame) {
  std::string svg;
  for (const double position : frame.x.ticks()) {
    const double x = frame.x.pixel(position);
    svg += svg_line("grid", x, top, x, bottom);
    svg += svg_words("tick", x, bottom + 18, "middle", fmt::format("{:g}", position));
  }
  for (const double nats : frame.y.ticks()) {
    const double y = frame.y.pixel(nats);
    svg += svg_line("grid", left, y, right, y);
    svg += svg_words("tick", left - 8, y + 4, "end", fmt::format("{:.3g}", nats));
  }
  return svg +
         svg_words("axis", (left + right) / 2, bottom + 40, "middle", "position in the text") +
         svg_upright(16, (top + bottom) / 2, "-log p, over exact's (nats)");
}

// The middle of stretch i of n.
double middle(const Frame& frame, std::int64_t tokens, std::size_t i, std::size_t n) {
  const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
  return frame.x.pixel(share * static_cast<double>(tokens));
}

std::string curve_line(const LossCurve& curve, std::size_t place, const Frame& frame,
                       std::int64_t tokens) {
  std::string points;
  for (std::size_t i = 0; i < curve.nats.size(); ++i)
    points += fmt::format("{:.1f},{:.1f} ", middle(frame, tokens, i, curve.nats.size()),
                          frame.y.pixel(curve.nats[i]));
  return fmt::format("<polyline class='curve s{}' points='{}'><title>{}</title></polyline>\n",
                     place % 8, points, escaped(curve.name));
}

// Numbers at the right, in the order of the curves' ends and far enough apart to be read.
std::string numbers(const std::vector<LossCurve>& curves, const Frame& frame) {
  std::vector<std::size_t> order(curves.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = [&](std::size_t c) { return frame.y.pixel(curves[c].nats.back()); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return end(a) > end(b); });
  std::string svg;
  double below = bottom + digits;
  for (const std::size_t c : order) {
    below = std::min(end(c), below - digits);
    svg += svg_words("number", right + 14, below + 5, "middle", fmt::format("{}", c + 1));
  }
  return svg;
}

}  // namespace

std::vector<double> stretch_means(std::span<const double> values, std::size_t stretches) {
  const std::size_t count = std::min(stretches, values.size());
  std::vector<double> means;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first = i * values.size() / count, last = (i + 1) * values.size() / count;
    const auto part = values.subspan(first, last - first);
    means.push_back(std::accumulate(part.begin(), part.end(), 0.0) /
                    static_cast<double>(part.size()));
  }
  return means;
}

std::string loss_svg(const std::vector<LossCurve>& curves, std::int64_t tokens) {
  const Frame frame = make_frame(curves, tokens);
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {:g} {:g}' role='img' aria-label='Loss over exact by position'>\n", width,
      bottom + 52);
  svg += axes(frame);
  svg += fmt::format("<rect class='frame' x='{:g}' y='{:g}' width='{:g}' height='{:g}'/>\n", left,
                     top, right - left, bottom - top);
  svg += svg_line("exact", left, frame.y.pixel(0), right, frame.y.pixel(0));
  for (std::size_t c = 0; c < curves.size(); ++c) svg += curve_line(curves[c], c, frame, tokens);
  return svg + numbers(curves, frame) + "</svg>\n";
}

}  // namespace subquad::cli
