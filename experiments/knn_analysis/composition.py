"""Top-k with its dropped keys estimated, beside plain dropping and the light part alone."""
import layers
import measure

KS = {"deit_1024": (0, 16, 64, 256, 1024, 2048), "deit_2048": (0, 64, 1024),
      "stories": (0, 8, 16, 32, 64, 128)}
LIGHTS = {
    "deit_1024": ("", "uniform(m=64)", "uniform(m=256)", "uniform(m=1024)",
                  "multipole(clusters=64,fit=0)", "multipole(clusters=64)",
                  "multipole(clusters=256)"),
    "deit_2048": ("", "uniform(m=1024)", "multipole(clusters=256)"),
    "stories": ("", "prefix(m=16)", "prefix(m=64)", "uniform(m=64)",
                "multipole(clusters=16,fit=64,chunk=128)"),
}


def kind_of(name):
    return ("stories" if name.startswith("stories") else
            "deit_2048" if "2048" in name else "deit_1024")


def grid(kind, quick):
    """(k, light) of every method; k = 0: the light part alone."""
    ks, lights = KS[kind], LIGHTS[kind]
    if quick:
        ks, lights = ks[::2], lights[:2]
    return [(k, light) for light in lights for k in ks if k or light]


def spec_of(k, light):
    return "+".join(part for part in (f"topk(k={k})" if k else "", light) if part)


def records_of(layer, cells, samples):
    exact = samples["exact"]
    for k, light in cells:
        sample = samples[spec_of(k, light)]
        yield {"layer": layer.name, "n": layer.length, "method": spec_of(k, light), "k": k,
               "light": light or "drop", "error": sum(sample.errors) / len(sample.errors),
               "least_error": min(sample.errors), "largest_error": max(sample.errors),
               "time_over_exact": measure.over(sample, exact), "exact_cpu_s": min(exact.seconds)}


def run(lib, options, progress):
    names = [measure.DEIT[1]] if options.quick else [*measure.DEIT, *measure.TEXT, measure.LONG]
    rounds = 1 if options.quick else options.rounds
    chosen = [measure.Layer(path) for path in layers.find_layers(options.data, names)]
    grids = [grid(kind_of(layer.name), options.quick) for layer in chosen]
    costs = [layer.length**2 * layer.tensors[0].shape[0] / 1e8 for layer in chosen]
    bar = progress(rounds * sum(c * (1 + len(g)) for c, g in zip(costs, grids)), "composition")
    records = []
    for layer, cells, cost in zip(chosen, grids, costs):
        samples = measure.run_rounds(lib, layer, [spec_of(*cell) for cell in cells], rounds,
                                     lambda: bar.advance(cost))  # noqa
        records += records_of(layer, cells, samples)
    bar.close()
    return records
