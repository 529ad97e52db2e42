"""Adapters for the cases of the group `face`: operations, StyleGAN2, encoders, recognisers, pixel2style2pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limner.face import (
    ArcFace,
    Blur,
    Downsample,
    Encoder,
    EqualConv2d,
    EqualLinear,
    Generator,
    GeneratorConfig,
    ModulatedConv2d,
    Psp,
    PspConfig,
    StyledConv,
    ToRGB,
    Upsample,
    build_encoder,
    fused_leaky_relu,
    generator_config,
    load_generator,
    load_psp,
    set_form,
    upfirdn2d,
)
from limner.weights import load_strictly

from ..cases import Adapter, Case

Outputs = dict[str, Any]
FORMS = ("fast", "published")

# What the published constructors call our arguments.
ARGUMENTS = {
    "in_channel": "in_channels",
    "out_channel": "out_channels",
    "in_dim": "in_dim",
    "out_dim": "out_dim",
    "padding": "padding",
}
LAYERS = {"ModulatedConv2d": ModulatedConv2d, "StyledConv": StyledConv, "ToRGB": ToRGB}
RESAMPLERS = {"Blur": Blur, "Upsample": Upsample, "Downsample": Downsample}


def tensors(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, Tensor]:
    """The arrays below `prefix` as tensors, the prefix taken off."""
    return {key[len(prefix) :]: torch.from_numpy(np.asarray(a)) for key, a in arrays.items() if key.startswith(prefix)}


def upfirdn(case: Case) -> Outputs:
    results = {}
    for call in case.spec["calls"]:
        name, given = call["name"], case.inputs
        x = torch.from_numpy(given[f"x_{name}"]).requires_grad_()
        kernel, options = torch.from_numpy(given[f"k_{name}"]), call["args"]
        fast, published = (
            upfirdn2d(x, kernel, up=options["up"], down=options["down"], pad=tuple(options["pad"]), form=form)
            for form in FORMS
        )
        torch.testing.assert_close(fast, published, rtol=1e-4, atol=1e-5)
        results[f"y_{name}"] = fast
        if f"g_{name}" in given:
            results[f"gx_{name}"] = torch.autograd.grad(fast, x, torch.from_numpy(given[f"g_{name}"]))[0]
    return results


def resample_layers(case: Case) -> Outputs:
    results = {}
    for call in case.spec["calls"]:
        kind = RESAMPLERS[call["callable"].split("(")[0]]
        options = {key: tuple(value) if key == "pad" else value for key, value in call["args"].items()}
        layer, name = kind(**options), call["name"]
        results |= {f"y_{name}": layer(torch.from_numpy(case.inputs[f"x_{name}"])), f"kernel_{name}": layer.kernel}
    return results


def leaky(case: Case) -> Outputs:
    results = {}
    for call in case.spec["calls"]:
        name = call["name"]
        x, bias, cotangent = (torch.from_numpy(case.inputs[f"{part}_{name}"]) for part in "xbg")
        x.requires_grad_(), bias.requires_grad_()
        y = fused_leaky_relu(x, bias, **call["args"])
        gx, gb = torch.autograd.grad(y, (x, bias), cotangent)
        results |= {f"y_{name}": y, f"gx_{name}": gx, f"gb_{name}": gb}
    return results


def layers(case: Case) -> Outputs:
    """Calls of layers with weights: outputs and, where a cotangent is given, gradients for inputs and weights."""
    results: Outputs = {}
    weights = case.weights()
    for call in case.spec["calls"]:
        network = _layer(call)
        _fill(network, tensors(weights, call["weights_prefix"]))
        both = []
        for form in FORMS:
            set_form(network, form)
            both.append(_run_layer(network, call, case.inputs))
        for name, value in both[0].items():
            torch.testing.assert_close(value, both[1][name], rtol=1e-3, atol=1e-4)
        results |= both[0]
    return results


def _layer(call: Mapping[str, Any]) -> nn.Module:
    options = dict(call["args"])
    kind = options.pop("kind", call["callable"].split(".")[0].split("(")[0])
    options = {ARGUMENTS.get(key, key): value for key, value in options.items()}
    if kind == "EqualLinear":
        return EqualLinear(
            **{key: v for key, v in options.items() if key != "activation"}, activate="activation" in options
        )
    if kind == "EqualConv2d":
        return EqualConv2d(**options)
    return LAYERS[kind](**options)


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    kernels = {key: value for key, value in network.state_dict().items() if key.endswith(".kernel")}
    load_strictly(network, {**kernels, **state}, "the case")


def _run_layer(network: nn.Module, call: Mapping[str, Any], inputs: Mapping[str, Any]) -> Outputs:
    name = call["name"]
    given = [key for key in call["inputs"] if not key.startswith("g_")]
    arguments = [torch.from_numpy(inputs[key]).requires_grad_() for key in given]
    y = network(*arguments)
    results = {f"y_{name}": y.detach()}
    if f"g_{name}" not in inputs:
        return results
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(y, [*arguments, *parameters.values()], torch.from_numpy(inputs[f"g_{name}"]))
    named = [f"g{key.split('_')[0]}_{name}" for key in given]
    named += [f"gw_{name}_{key.replace('.', '_')}" for key in parameters]
    return results | dict(zip(named, gradients, strict=True))


def generator(case: Case) -> Generator:
    """The generator of the case, its weights through the importer."""
    network, _ = load_generator({"g_ema": tensors(case.weights())})
    assert network.config.num_rows == case.config["n_latent"]
    return network


@torch.no_grad()
def generator_wplus(case: Case) -> Outputs:
    network, given = generator(case), case.inputs
    rows = network.rows([torch.from_numpy(given["latents"])])
    image, features = network.synthesise(rows)
    results = {"image": image, "latents": rows, "features": features}
    if "w" in given:
        single = network.rows([torch.from_numpy(given["w"])])
        results |= {"image_single_w": network(single), "latents_single_w": single}
    return results


def generator_gradient(case: Case) -> Outputs:
    network, rows = generator(case), torch.from_numpy(case.inputs["latents"]).requires_grad_()
    image = network(rows)
    gradient = torch.autograd.grad(image, rows, torch.from_numpy(case.inputs["cotangent"]))[0]
    return {"image": image, "grad_latents": gradient}


@torch.no_grad()
def generator_from_z(case: Case) -> Outputs:
    network, given = generator(case), {key: torch.from_numpy(value) for key, value in case.inputs.items()}
    noise = [given[f"noise_{index}"] for index in range(len(network.noise_sides))]
    truncation = float(case.spec["notes"].split("truncation ")[1].split(":")[0])
    w1, w2 = network.map_z(given["z1"]), network.map_z(given["z2"])
    drawn = {"truncation": truncation, "truncation_style": given["truncation_latent"]}
    rows = {"": network.rows([w1]), "_truncated": network.rows([w1], **drawn)}
    mixings = [int(name.split("_")[-1]) for name in case.spec["outputs"] if name.startswith("latents_mixed")]
    rows |= {f"_mixed_{k}": network.rows([w1, w2], mix_from=k) for k in mixings}
    rows["_mixed_truncated"] = network.rows([w1, w2], mix_from=mixings[0], **drawn)
    results: Outputs = {"w1": w1}
    for name, wplus in rows.items():
        results |= {f"image{name}": network(wplus, noise), f"latents{name}": wplus}
    return results


@torch.no_grad()
def mapping(case: Case) -> Outputs:
    network, state = Generator(GeneratorConfig(8)), tensors(case.weights())
    network.style.load_state_dict({key.removeprefix("style."): value for key, value in state.items()})
    return {"w": network.map_z(torch.from_numpy(case.inputs["z"]))}


@torch.no_grad()
def encoder(case: Case) -> Outputs:
    config = case.config
    network: Encoder = build_encoder(
        config["class"],
        num_layers=config["num_layers"],
        mode=config["mode"],
        input_channels=config["input_nc"],
        num_rows=config["n_styles"],
    )
    network.load_official(tensors(case.weights()))
    network.eval()
    x = torch.from_numpy(case.inputs["x"])
    taps = dict(zip(("c1", "c2", "c3"), network.features(x), strict=True))
    return {**taps, "codes": network(x)}


@torch.no_grad()
def arcface(case: Case) -> Outputs:
    state = tensors(case.weights())
    network = recogniser(state)
    x = torch.from_numpy(case.inputs["x"])
    return {"embedding": network(x), "before_norm": network.features(x)}


def recogniser(state: Mapping[str, Tensor]) -> ArcFace:
    """The recogniser that the keys belong to."""
    excited, affine = "body.0.res_layer.5.fc1.weight" in state, "output_layer.4.weight" in state
    blocks = len({key.split(".")[1] for key in state if key.startswith("body.")})
    network = ArcFace({24: 50, 49: 100, 50: 152}[blocks], "ir_se" if excited else "ir", affine=affine)
    network.load_official(state)
    return network.eval()


@torch.no_grad()
def psp_forward(case: Case) -> Outputs:
    config, given = case.config, {key: torch.from_numpy(value) for key, value in case.inputs.items()}
    options = {"start_from_latent_avg": config["start_from_latent_avg"], "learn_in_w": config["learn_in_w"]}
    network = load_psp({"state_dict": tensors(case.weights()), "latent_avg": given["latent_avg"], "opts": options})
    rows = network.encode(given["x"])
    results = {"image_resized": network.decode(rows, resize=True), "image": network.decode(rows), "latents": rows}
    bare = network.decoder.rows([network.encoder(given["x"])])
    results |= {"image_no_avg": network.decode(bare), "latents_no_avg": bare}
    from_z = network.decoder.rows([network.decoder.map_z(given["z"])])
    results |= {"image_from_z": network.decode(from_z), "latents_from_z": from_z}
    if "inject_latent" in given:
        mask, inject = config["latent_mask"], given["inject_latent"]
        variants = {
            "injected": {"latent_mask": mask, "inject": inject},
            "alpha": {"latent_mask": mask, "inject": inject, "alpha": config["alpha"]},
            "zeroed": {"latent_mask": mask[:2]},
        }
        for name, arguments in variants.items():
            image, latents = network(given["x"], resize=False, **arguments)
            results |= {f"image_{name}": image, f"latents_{name}": latents}
    return results


@torch.no_grad()
def psp_start(case: Case) -> Outputs:
    weights, given, results = case.weights(), case.inputs, {}
    file = {"g_ema": tensors(weights, "g_ema."), "latent_avg": torch.from_numpy(given["latent_avg"])}
    shape = generator_config(file["g_ema"])
    for name, told in case.spec["load_report"].items():
        options = told["options"]
        kind = options.get("encoder_type", "GradualStyleEncoder")
        single = options.get("learn_in_w", False)
        network = Psp(PspConfig(shape, kind, options.get("input_nc", 3), single_style=single)).eval()
        trunk = tensors(weights, "ir_se50.")
        report = network.start_training(trunk, file)
        own = network.encoder.state_dict()
        equal = [key for key in own if key in trunk and own[key].shape == trunk[key].shape]
        assert sum(torch.equal(own[key], trunk[key]) for key in equal) == told["taken_from_ir_se50"]
        assert len(own) == told["encoder_keys"]
        unused = [key for key in report.encoder.ignored if not key.startswith("input_layer.")]
        assert sorted(unused) == sorted(told["ir_se50_keys_unused"])
        first = (
            network.encoder.input_layer(torch.from_numpy(given["x"])) if network.config.input_channels == 3 else None
        )
        features = torch.from_numpy(given["features"]) if first is None else first
        mean = network.latent_avg
        results |= {
            f"{name}_latent_avg": mean,
            f"{name}_body": network.encoder.body(features),
            f"{name}_decoder_image": network.decode(mean if single else mean[None]),
        }
    return results


ADAPTERS: dict[str, Adapter] = {
    "face/op_upfirdn2d": upfirdn,
    "face/op_resample_layers": resample_layers,
    "face/op_fused_leaky_relu": leaky,
    "face/op_equal_layers": layers,
    "face/op_modulated_conv": layers,
    "face/op_styled_conv": layers,
    "face/op_to_rgb": layers,
    "face/generator_wplus": generator_wplus,
    "face/generator_wplus_gradient": generator_gradient,
    "face/generator_from_z": generator_from_z,
    "face/generator_mapping": mapping,
    "face/encoder_gradual": encoder,
    "face/encoder_last_layer_w": encoder,
    "face/encoder_last_layer_wplus": encoder,
    "face/arcface": arcface,
    "face/psp_forward": psp_forward,
    "face/psp_load_pretrained": psp_start,
}
