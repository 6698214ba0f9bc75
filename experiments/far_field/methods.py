"""The options that the picture compares: family -> specs."""

CLUSTERS = [64, 128, 256, 512, 1024]
SAMPLES = [128, 256, 512, 1024, 2048]
TARGETS = [0.1, 0.05, 0.03, 0.02, 0.01]


def unmasked(clusters=CLUSTERS, samples=SAMPLES, targets=TARGETS):
    families = {
        "uniform": [f"uniform(m={m})" for m in samples],
        "prefix": [f"prefix(m={m})" for m in samples],
        "sortlsh + uniform": [f"sortlsh(block={m})+uniform(m={m})" for m in samples[:4]],
    }
    for order in (0, 1, 2):
        families[f"multipole, order {order}, no fit"] = [
            f"multipole(clusters={r},order={order},fit=0)" for r in clusters]
    for fit in (256, 512, 1024):
        families[f"multipole, fit {fit}"] = [f"multipole(clusters={r},fit={fit})" for r in clusters]
    for order in (1, 2):
        families[f"multipole, order {order}, fit 512"] = [
            f"multipole(clusters={r},order={order},fit=512)" for r in clusters[:3]]
    for opened in (0.01, 0.005, 0.002):
        families[f"multipole, fit 512, open {opened}"] = [
            f"multipole(clusters={r},fit=512,open={opened})" for r in clusters[1:4]]
    for how in ("kmeans", "lsh"):
        families[f"multipole, {how}, fit 512"] = [
            f"multipole(clusters={r},fit=512,cluster={how})" for r in clusters[1:4]]
    families["own key + multipole, fit 512"] = [
        f"window(1)+multipole(clusters={r},fit=512)" for r in clusters[1:4]]
    families["sink + own key + multipole, fit 512"] = [
        f"sink(1)+window(1)+multipole(clusters={r},fit=512)" for r in clusters[1:4]]
    families["window + multipole"] = [
        f"window({w})+multipole(clusters=256,fit=512)" for w in (128, 256, 512)]
    families["sink + window + sortlsh + multipole"] = [
        f"sink(4)+window({w})+sortlsh(block={w})+multipole(clusters=256,fit=512)"
        for w in (128, 256)]
    families["far"] = [f"far(error={e})" for e in targets]
    return families


def causal(targets=TARGETS):
    """For short texts: n = 512."""
    families = {
        "uniform": [f"uniform(m={m})" for m in (32, 64, 128, 256)],
        "window + prefix": [f"sink(4)+window({w})+prefix(m={w})" for w in (32, 64, 128)],
        "hyper": ["hyper(always=true,window=32,block=32,m=32)"],
    }
    for fit in (0, 128, 256):
        families[f"multipole, fit {fit}"] = [
            f"multipole(clusters={r},fit={fit},chunk={c},always=true)"
            for r in (16, 64) for c in (64, 128)]
    families["sink + window + multipole"] = [
        f"sink(4)+window({w})+multipole(clusters={r},fit=128,chunk=64,always=true)"
        for w in (32, 64) for r in (16, 64)]
    families["far"] = [f"far(error={e})" for e in targets]
    return families


def quick():
    """A few options, to see that everything runs."""
    return {
        "uniform": ["uniform(m=128)", "uniform(m=512)"],
        "multipole, order 0, no fit": ["multipole(clusters=256,fit=0)"],
        "multipole, fit 512": ["multipole(clusters=128,fit=512)", "multipole(clusters=256,fit=512)"],
        "far": ["far(error=0.03)"],
    }
