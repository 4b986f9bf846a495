// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest_assets.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/runtime/temp_directory.h"

namespace cc::runtime {

namespace {

// Of "abc", as FIPS 180-2 gives it.
constexpr const char* kHashOfAbc =
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

// A host with a guest of its own, and others that a container may choose, or not.
class Assets {
  public:
    Assets() {
        for (const char* sub : {"own", "allowed", "secret"})
            REQUIRE(MakeDirectories(directory_ / sub, 0700));
        for (const char* name :
             {"own/vmlinux.container", "own/clear-containers.img", "allowed/kernel",
              "allowed/image", "allowed/initrd", "secret/kernel"})
            REQUIRE(WriteFileAtomic(directory_ / name, "abc", 0600));
        REQUIRE(::symlink("../secret/kernel", (directory_ / "allowed/link").c_str()) == 0);
        config.asset_annotations = {directory_ / "allowed/*"};
    }
    std::string operator/(const std::string& name) const { return directory_ / name; }
    Result<GuestFiles> Choose(const std::map<std::string, std::string>& said) const {
        std::map<std::string, std::string> annotations{{"io.kubernetes.pod.name", "x"}};
        for (const auto& [key, value] : said)
            annotations["com.github.containers.virtcontainers." + key] = value;
        return ChooseGuest(config, annotations, {directory_ / "own"});
    }
    std::string Error(const std::map<std::string, std::string>& said) const {
        const auto guest = Choose(said);
        REQUIRE_FALSE(guest);
        return guest.error().message;
    }
    RuntimeConfig config;

  private:
    test::TempDirectory directory_;
};

bool Has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("without annotations the guest is the host's") {
    const Assets assets;
    const auto guest = assets.Choose({});
    REQUIRE(guest);
    CHECK(guest->kernel == assets / "own/vmlinux.container");
    CHECK(guest->image == assets / "own/clear-containers.img");
}

TEST_CASE("a container chooses kernel, and image or initrd, of what its host allows") {
    const Assets assets;
    auto guest = assets.Choose({{"KernelPath", assets / "allowed/kernel"}});
    REQUIRE(guest);
    CHECK(guest->kernel == assets / "allowed/kernel");
    CHECK(guest->image == assets / "own/clear-containers.img");
    guest = assets.Choose({{"ImagePath", assets / "own/../allowed/image"}});
    REQUIRE(guest);
    CHECK(guest->image == assets / "allowed/image");
    guest = assets.Choose({{"InitrdPath", assets / "allowed/initrd"}});
    REQUIRE(guest);
    CHECK(guest->image.empty());
    CHECK(guest->initrd == assets / "allowed/initrd");
    CHECK(Has(assets.Error({{"ImagePath", assets / "allowed/image"},
                            {"InitrdPath", assets / "allowed/initrd"}}),
              "exclude one another"));
}

TEST_CASE("what is not allowed is not used, whatever its path looks like") {
    Assets assets;
    for (const char* name : {"secret/kernel", "allowed/../secret/kernel", "allowed/link"}) {
        const std::string error = assets.Error({{"KernelPath", assets / name}});
        CHECK(Has(error, "virtcontainers.KernelPath"));
        CHECK(Has(error, Cat("no container may choose ", assets / "secret/kernel")));
        CHECK(Has(error, "asset_annotations"));
    }
    CHECK(Has(assets.Error({{"KernelPath", "allowed/kernel"}}), "absolute"));
    CHECK(Has(assets.Error({{"ImagePath", assets / "allowed/none"}}), "No such file"));
    assets.config.asset_annotations.clear();
    CHECK(Has(assets.Error({{"KernelPath", assets / "allowed/kernel"}}), "no container may"));
}

TEST_CASE("a hash is that of the file that is used, whoever chose it") {
    const Assets assets;
    CHECK(assets.Choose({{"KernelHash", kHashOfAbc}}));
    CHECK(assets.Choose({{"KernelPath", assets / "allowed/kernel"},
                         {"KernelHash", kHashOfAbc},
                         {"ImageHash", kHashOfAbc},
                         {"AssetHashType", "sha512"}}));
    CHECK(Has(assets.Error({{"ImageHash", "abc"}}), "has the SHA-512 ddaf35"));
    CHECK(Has(assets.Error({{"InitrdHash", kHashOfAbc}}), "no such file"));
    CHECK(Has(assets.Error({{"AssetHashType", "md5"}}), "\"md5\" is not sha512"));
}

}  // namespace cc::runtime
