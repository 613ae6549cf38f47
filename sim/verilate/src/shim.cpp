// The C interface of a Verilated model. The lines above define SHIM_ABI, SHIM_FST, SHIM_CLOCK and
// SHIM_PORTS(PORT), a list of PORT(member, name, width, writable).
//
// Ports are reached through raw pointers, so that access costs no call; a call runs whole cycles.
// `noexcept` everywhere: an exception must end the program, not unwind into Rust.

#include "verilated.h"
#if SHIM_FST
#include "verilated_fst_c.h"
#endif

#include <cstdint>
#include <memory>
#include <type_traits>

#define SHIM_EXPORT extern "C" __attribute__((visibility("default")))

// The width decides the C++ type, and Rust relies on it.
template <unsigned Width> struct Storage {
    using type = std::conditional_t<
        (Width <= 8), CData,
        std::conditional_t<(Width <= 16), SData,
                           std::conditional_t<(Width <= 32), IData,
                                              std::conditional_t<(Width <= 64), QData,
                                                                 VlWide<(Width + 31) / 32>>>>>;
};

struct ShimPort {
    const char* name;
    uint32_t width;
    uint32_t writable;
};

struct Shim {
    VerilatedContext context;
    std::unique_ptr<Vmodel> top;
#if SHIM_FST
    std::unique_ptr<VerilatedFstC> trace;

    void dump() {
        if (trace) trace->dump(context.time());
    }
#endif

    // The waveform shows inputs settled before the rising edge: low at 10n, high at 10n + 5.
    void cycle() {
#if SHIM_FST
        if (trace) {
            top->eval();
            dump();
        }
        context.timeInc(5);
#endif
        top->SHIM_CLOCK = 1;
        top->eval();
#if SHIM_FST
        dump();
        context.timeInc(5);
#endif
        top->SHIM_CLOCK = 0;
        top->eval();
    }
};

SHIM_EXPORT uint32_t systole_abi() noexcept { return SHIM_ABI; }

SHIM_EXPORT uint32_t systole_traces() noexcept { return SHIM_FST; }

SHIM_EXPORT const ShimPort* systole_ports(uint32_t* count) noexcept {
#define PORT(member, name, width, writable) {name, width, writable},
    static const ShimPort ports[] = {SHIM_PORTS(PORT)};
#undef PORT
    *count = sizeof(ports) / sizeof(ports[0]);
    return ports;
}

SHIM_EXPORT Shim* systole_new(void** ports) noexcept {
    Shim* const shim = new Shim;
#if SHIM_FST
    shim->context.traceEverOn(true);
#endif
    shim->top = std::make_unique<Vmodel>(&shim->context);
    Vmodel& top = *shim->top;
#define PORT(member, name, width, writable)                                                        \
    static_assert(                                                                                 \
        std::is_same<std::remove_reference_t<decltype(top.member)>, Storage<width>::type>::value,  \
        "the declared width of port " name " is not the one in the Verilog");                      \
    *ports++ = &top.member;
    SHIM_PORTS(PORT)
#undef PORT
    // Without an evaluation at clock 0 the first rising edge would be lost.
    top.SHIM_CLOCK = 0;
    top.eval();
    return shim;
}

SHIM_EXPORT void systole_free(Shim* shim) noexcept {
    shim->top->final();
    delete shim;
}

SHIM_EXPORT void systole_eval(Shim* shim) noexcept { shim->top->eval(); }

SHIM_EXPORT void systole_cycles(Shim* shim, uint64_t count) noexcept {
    for (; count; --count) shim->cycle();
}

#if SHIM_FST
SHIM_EXPORT uint32_t systole_trace_open(Shim* shim, const char* path) noexcept {
    auto trace = std::make_unique<VerilatedFstC>();
    shim->top->trace(trace.get(), 99);
    trace->open(path);
    if (!trace->isOpen()) return 0;
    shim->trace = std::move(trace);
    return 1;
}

SHIM_EXPORT void systole_trace_close(Shim* shim) noexcept {
    if (!shim->trace) return;
    shim->top->eval();
    shim->dump();
    shim->trace->close();
    shim->trace.reset();
}
#else
SHIM_EXPORT uint32_t systole_trace_open(Shim*, const char*) noexcept { return 0; }

SHIM_EXPORT void systole_trace_close(Shim*) noexcept {}
#endif
