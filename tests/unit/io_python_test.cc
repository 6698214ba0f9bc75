// Cross-check with NumPy, where it is installed: it reads what we write, and we read what it
// writes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "io_support.h"
#include "support/python.h"

namespace subquad::io {
namespace {

// Runs a Python program with the folder as its argument; true when it ends well.
bool run_program(const std::string& python, const TemporaryFolder& folder,
                 const std::string& program) {
  const std::string script = folder / "program.py";
  write_text(script, program);
  const std::string command = python + " '" + script + "' '" + (folder / "") + "' 2>/dev/null";
  return std::system(command.c_str()) == 0;
}

class NumPy : public ::testing::Test {
 protected:
  void SetUp() override {
    if (python_.empty()) GTEST_SKIP() << "no python3 with numpy is installed";
  }
  bool python(const std::string& program) const { return run_program(python_, folder_, program); }

  const std::string python_ = testing::find_python("numpy");
  TemporaryFolder folder_;
};

TEST_F(NumPy, ReadsWhatWeWrite) {
  const std::vector<float> values{1.5, -2, 3, 4, 5, 6.25};
  const std::vector<Tensor> tensors{tensor_of("q", ElementType::f32, {2, 3}, values),
                                    tensor_of("scalar", ElementType::f32, {}, values),
                                    tensor_of("empty", ElementType::f32, {0, 4}, values),
                                    tensor_of("bytes", ElementType::u8, {4}, values)};
  write_file(folder_ / "x.npz", tensors);
  write_file(folder_ / "q.npy", {&tensors[0], 1});
  EXPECT_TRUE(python(R"(
import sys, zipfile, numpy as np
folder = sys.argv[1]
q = np.array([[1.5, -2, 3], [4, 5, 6.25]], dtype='<f4')
assert zipfile.ZipFile(folder + 'x.npz').testzip() is None
z = np.load(folder + 'x.npz')
assert sorted(z.files) == ['bytes', 'empty', 'q', 'scalar'], z.files
for got in (z['q'], np.load(folder + 'q.npy'), np.load(folder + 'q.npy', mmap_mode='r')):
    assert got.dtype == q.dtype and np.array_equal(got, q)
assert z['scalar'].shape == () and z['scalar'] == 1.5
assert z['empty'].shape == (0, 4)
assert z['bytes'].tobytes() == q.tobytes()[:4]
)"));
}

TEST_F(NumPy, WritesWhatWeRead) {
  ASSERT_TRUE(python(R"(
import sys, numpy as np
folder = sys.argv[1]
x = np.arange(100000, dtype='<f8').reshape(100, 1000)
np.save(folder + 'x.npy', x)
np.savez(folder + 'stored.npz', x=x, half=x[:2, :3].astype('<f2'))
np.savez_compressed(folder + 'deflated.npz', x=x, half=x[:2, :3].astype('<f2'))
np.save(folder + 'fortran.npy', np.asfortranarray(x))
np.save(folder + 'big.npy', x.astype('>f8'))
np.save(folder + 'both.npy', np.asfortranarray(x.astype('>f8')))
np.savez_compressed(folder + 'mixed.npz', object=np.array([None], dtype=object), text=np.array(['a']),
                    x=np.asfortranarray(x), record=np.zeros(2, dtype=[('a', '<f4')]))
)"));
  for (const std::string name : {"x.npy", "stored.npz", "deflated.npz"}) {
    const TensorFile file = TensorFile::open(folder_ / name);
    const auto x = values_of<double>(file.at("x"));
    ASSERT_EQ(x.size(), 100000u) << name;
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], static_cast<double>(i)) << name;
  }
  const TensorFile deflated = TensorFile::open(folder_ / "deflated.npz");
  EXPECT_EQ(deflated.at("half").type, ElementType::f16);
  for (const std::string name : {"fortran.npy", "big.npy", "both.npy"}) {
    const TensorFile file = TensorFile::open(folder_ / name);
    const Tensor& tensor = file.tensors().front();
    EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{100, 1000})) << name;
    const auto x = values_of<double>(tensor);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], static_cast<double>(i)) << name;
  }
  const TensorFile mixed = TensorFile::open(folder_ / "mixed.npz");
  EXPECT_EQ(mixed.names(), (std::vector<std::string>{"object", "text", "x", "record"}));
  EXPECT_EQ(mixed.at("x").count(), 100000);
  const auto rejects = [&](const std::string& name, const std::string& expected) {
    expect_error([&] { (void)mixed.at(name); }, expected);
  };
  rejects("object", "descr: \"|O\" is not a supported element type");
  rejects("text", "descr: \"<U1\" is not a supported element type");
  rejects("record", "descr: structured types are not supported");
}

TEST(Safetensors, ReferenceLibraryReadsWhatWeWrite) {
  const TemporaryFolder folder;
  const std::string python = testing::find_python("numpy, safetensors.numpy");
  if (python.empty()) GTEST_SKIP() << "no python3 with numpy and safetensors is installed";
  const std::vector<float> values{1.5, -2, 3, 4, 5, 6.25};
  const std::vector<Tensor> tensors{tensor_of("b", ElementType::u8, {3}, values),
                                    tensor_of("q", ElementType::f32, {2, 3}, values),
                                    tensor_of("empty", ElementType::f64, {0, 4}, values),
                                    tensor_of("scalar", ElementType::i16, {}, values)};
  write_file(folder / "x.safetensors", tensors, {{"scale", "0.125"}});
  EXPECT_TRUE(run_program(python, folder, R"(
import sys, numpy as np
from safetensors import safe_open
q = np.array([[1.5, -2, 3], [4, 5, 6.25]], dtype='<f4')
with safe_open(sys.argv[1] + 'x.safetensors', framework='numpy') as f:
    assert f.metadata() == {'scale': '0.125'}
    assert sorted(f.keys()) == ['b', 'empty', 'q', 'scalar']
    assert np.array_equal(f.get_tensor('q'), q)
    assert f.get_tensor('empty').shape == (0, 4)
    assert f.get_tensor('scalar').shape == ()
    assert f.get_tensor('b').tobytes() == q.tobytes()[:3]
)"));
}

}  // namespace
}  // namespace subquad::io
