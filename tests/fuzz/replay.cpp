// main for a fuzz target without libFuzzer: runs it on no bytes, then on every file of the folders given.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
    namespace fs = std::filesystem;
    std::size_t inputs = 1;
    const std::uint8_t none = 0; // libFuzzer never passes a null pointer either.
    LLVMFuzzerTestOneInput(&none, 0);
    for (int i = 1; i < argc; ++i) {
        if (!fs::is_directory(argv[i])) { continue; } // No finding yet, no folder.
        for (const auto& entry : fs::directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) { continue; }
            std::ifstream file(entry.path(), std::ios::binary);
            const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
            // Printed before the run: the last line names the input that crashed.
            std::printf("%s\n", entry.path().c_str());
            std::fflush(stdout);
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
            ++inputs;
        }
    }
    std::printf("replayed %zu inputs\n", inputs);
}
