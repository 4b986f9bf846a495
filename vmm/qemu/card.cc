// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/card.h"

#include "base/json_full.h"
#include "base/text.h"
#include "protocol/network.h"
#include "vmm/qemu/layout.h"
#include "vmm/qemu/machine.h"
#include "vmm/qemu/option.h"

namespace cc::qemu {

namespace {

std::string BackEndName(const Card& card) {
    return Cat("net", card.number);
}
std::string CharacterDeviceName(const Card& card) {
    return Cat("vhost", card.number);
}

// The device as QMP has it, with texts only, so that both ways to say it have one source. A
// physical one has an address of its own, and no option ROM: no machine boots from it.
using Properties = std::vector<std::pair<std::string, std::string>>;
Properties DeviceProperties(const CardSlots& slots, const Card& card) {
    const bool physical = card.kind == CardKind::kPhysical;
    Properties properties = {{"driver", physical ? "vfio-pci" : "virtio-net-pci"},
                             {"id", Cat("nic", card.number)}};
    CardPlace place = PlaceOf(slots.machine, card.number);
    properties.emplace_back("bus", std::move(place.bus));
    if (!place.slot.empty()) properties.emplace_back("addr", std::move(place.slot));
    if (physical) {
        properties.emplace_back("host", card.source);
    } else {
        properties.emplace_back("netdev", BackEndName(card));
        properties.emplace_back("mac", NicAddress(card.number));
        properties.emplace_back("romfile", "");
        // QEMU 7.2 takes it that KVM delivers a served device's message-signalled interrupts, and
        // crashes where there is none. Without them the device has a line.
        if (slots.acceleration != Acceleration::kKvm) properties.emplace_back("vectors", "0");
    }
    return properties;
}

// One card on its way in.
struct CardPlug {
    QmpClient& qmp;
    CardSlots slots;
    Card card;
    std::chrono::milliseconds deadline;
    std::function<void(Result<void>)> done;

    // Goes on with `next`; after a failure `undo` runs, and calls what it is given when it has.
    void Step(std::string_view command, const Json& arguments,
              const std::function<void(std::function<void()>)>& undo,
              const std::function<void()>& next) const {
        qmp.Execute(command, DumpJson(arguments), deadline,
                    [plug = *this, undo, next](const Result<std::string>& answer) {
                        if (answer) return next();
                        undo([plug, why = answer.error()] { plug.done(Failure(why)); });
                    });
    }
    void TakeBack(std::string_view command, const std::string& id,
                  const std::function<void()>& then) const {
        qmp.Execute(command, DumpJson(Json{{"id", id}}), deadline, [then](const auto&) { then(); });
    }
};

Json DeviceJson(const CardPlug& plug) {
    Json device = Json::object();
    for (const auto& [key, value] : DeviceProperties(plug.slots, plug.card))
        device[key] = value;
    if (device.contains("vectors")) device["vectors"] = 0;
    if (plug.card.kind == CardKind::kPhysical)
        device["rombar"] = 0;
    else
        device["guest_announce"] = false;
    return device;
}

void PlugPhysical(const CardPlug& plug) {
    plug.Step(
        "device_add", DeviceJson(plug), [](const auto& then) { then(); },
        [plug] { plug.done({}); });
}

void PlugServed(const CardPlug& plug) {
    const auto remove_socket = [plug](const std::function<void()>& then) {
        plug.TakeBack("chardev-remove", CharacterDeviceName(plug.card), then);
    };
    const auto remove_both = [plug, remove_socket](const std::function<void()>& then) {
        plug.TakeBack("netdev_del", BackEndName(plug.card),
                      [remove_socket, then] { remove_socket(then); });
    };
    const Json socket = {{"type", "socket"},
                         {"data",
                          {{"addr", {{"type", "unix"}, {"data", {{"path", plug.card.source}}}}},
                           {"server", false}}}};
    const Json back_end = {{"type", "vhost-user"},
                           {"id", BackEndName(plug.card)},
                           {"chardev", CharacterDeviceName(plug.card)}};
    const auto insert = [plug, remove_both] {
        plug.Step("device_add", DeviceJson(plug), remove_both, [plug] { plug.done({}); });
    };
    const auto connect = [plug, back_end, remove_socket, insert] {
        plug.Step("netdev_add", back_end, remove_socket, insert);
    };
    plug.Step(
        "chardev-add", {{"id", CharacterDeviceName(plug.card)}, {"backend", socket}},
        [](const auto& then) { then(); }, connect);
}

}  // namespace

CardPlace PlaceAt(MachineType machine, int place) {
    if (machine == MachineType::kQ35) return {Cat("hotplug", place), ""};
    return {std::string(RootBus(machine)), SlotName(kFirstPlugSlot + place)};
}

CardPlace PlaceOf(MachineType machine, int number) {
    return PlaceAt(machine, PlaceOfNic(number));
}

std::vector<std::pair<std::string, std::string>> CardArguments(const CardSlots& slots,
                                                               const Card& card) {
    std::vector<std::pair<std::string, std::string>> arguments;
    if (card.kind == CardKind::kVhostUser) {
        const std::string name = CharacterDeviceName(card);
        arguments.emplace_back("-chardev",
                               Option("socket").Set("id", name).Set("path", card.source).text());
        arguments.emplace_back(
            "-netdev",
            Option("vhost-user").Set("id", BackEndName(card)).Set("chardev", name).text());
    }
    Option device;
    for (const auto& [key, value] : DeviceProperties(slots, card))
        device.Set(key, value);
    if (card.kind == CardKind::kPhysical)
        device.Set("rombar", 0);
    else
        device.Off("guest_announce");
    arguments.emplace_back("-device", device.text());
    return arguments;
}

void PlugCard(QmpClient& qmp, const CardSlots& slots, const Card& card,
              std::chrono::milliseconds deadline, std::function<void(Result<void>)> done) {
    const CardPlug plug{qmp, slots, card, deadline, std::move(done)};
    if (card.kind == CardKind::kPhysical)
        PlugPhysical(plug);
    else
        PlugServed(plug);
}

}  // namespace cc::qemu
