"""First stage: trains the autoencoder on crops, with both decoders at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.anatomy import load_anatomy
from ..models.networks.vae import Autoencoder, kl_to_standard_normal, sample_posterior
from .config import DeformationConfig, StageConfig, TrainingConfig
from .dataset import Cohort
from .deformation import identity_coordinates, random_pose, smooth_displacement, warp_labels
from .loop import Hardware


class AutoencoderLoss(nn.Module):
    """Cross-entropy of the convolution decoder on every voxel and of the field on random voxels, plus KL.

    kl_weight multiplies the KL of a whole 128^3 map in nats against the mean cross-entropy of a voxel. apart: pairs of
    labels that must not touch; the voxels between them count wall_weight times, as those between touching cells do for
    the U-Net of Ronneberger et al. 2015.
    """

    def __init__(self, config: TrainingConfig, apart: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__()
        self.net = Autoencoder(config.autoencoder)
        self.points, self.surface_share = config.field_points, config.surface_share
        self.kl_weight, self.wall_weight, self.apart = config.kl_weight, config.wall_weight, tuple(apart)

    def forward(self, labels: Tensor) -> dict[str, Tensor]:
        """labels: (B, s, s, s) uint8 -> the terms of the loss."""
        mean, logvar = self.net.encode(labels)
        z = sample_posterior(mean, logvar)
        target = labels.long()
        weight = self.weights(labels)
        conv = F.cross_entropy(self.net.decoder(z).float(), target, reduction="none")
        terms = {"conv": (weight * conv).mean()}
        whole_map = 128**3 / labels[0].numel()
        terms["kl"] = self.kl_weight * whole_map * kl_to_standard_normal(mean, logvar).mean()
        if self.net.field is not None:
            voxels = self.draw_voxels(labels)
            size = torch.tensor(target.shape[1:], device=target.device)
            index = torch.stack(torch.unravel_index(voxels, target.shape[1:]), dim=-1)  # (B, N, 3) z y x
            points = ((2 * index + 1) / size - 1).flip(-1)  # x y z in [-1, 1]
            logits = self.net.field.at(self.net.field.features(z), points).float()
            field = F.cross_entropy(logits.transpose(1, 2), target.flatten(1).gather(1, voxels), reduction="none")
            terms["field"] = (weight.flatten(1).gather(1, voxels) * field).mean()
        return terms

    def weights(self, labels: Tensor) -> Tensor:
        """labels: (B, s, s, s) uint8 -> the voxels' weights, float32: wall_weight between labels `apart`."""
        weight = torch.ones(labels.shape, device=labels.device)
        for a, b in self.apart if self.wall_weight != 1 else ():
            near = [F.max_pool3d((labels == label).float()[:, None], 5, stride=1, padding=2)[:, 0] for label in (a, b)]
            weight[(near[0] * near[1] > 0) & (labels != a) & (labels != b)] = self.wall_weight
        return weight

    def draw_voxels(self, labels: Tensor) -> Tensor:
        """labels: (B, s, s, s) uint8 -> (B, points) int64 flat indices: `surface_share` of them where labels meet,
        because most of what a decoder still has to learn is there; the others anywhere.
        """
        anywhere = torch.randint(labels[0].numel(), (len(labels), self.points), device=labels.device)
        count = round(self.surface_share * self.points)
        if not count:
            return anywhere
        values = labels.float()[:, None]
        top, bottom = (F.max_pool3d(sign * values, 3, stride=1, padding=1) for sign in (1, -1))
        meets = (top != -bottom).flatten(1).float() + 1e-6  # a crop of one label alone has no surface
        anywhere[:, :count] = torch.multinomial(meets, count, replacement=True)
        return anywhere


class AutoencoderStage:
    """Draws crops, deforms a share of them in place, pose and scale, and measures Dice on validation maps."""

    name = "autoencoder"

    def __init__(self, config: TrainingConfig, train: Cohort, validation: Cohort, hardware: Hardware,
                 anatomy: str = "heart") -> None:
        self.config, self.train, self.validation, self.hardware = config, train, validation, hardware
        self.anatomy = anatomy
        rules = load_anatomy(anatomy)
        apart = [(rules.label_of(a), rules.label_of(b)) for a, b in (c.pair for c in rules.forbidden_contacts)]
        self.model = AutoencoderLoss(config, apart)

    @property
    def stage(self) -> StageConfig:
        """The optimisation of this stage."""
        return self.config.autoencoder_stage

    def loss(self, model: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """One batch of crops -> total loss and its terms."""
        chosen = self.train.draw(self.stage.batch, generator, self.stage.weight_power)
        crops = [draw_crop(self.train.labels[i].to(self.hardware.device), self.config.crop,
                           self.config.autoencoder_augment, self.config.autoencoder.classes, generator) for i in chosen]
        with self.hardware.autocast():
            terms = model(torch.stack(crops))
        return torch.stack(list(terms.values())).sum(), {key: float(value.detach()) for key, value in terms.items()}

    def evaluate(self) -> dict[str, float]:
        """Mean Dice over tissues and validation maps for each decoder, the smallest Dice of a tissue, and (if cc3d is
        installed) the share of topological checks that the reconstructions fail.
        """
        net, failed = self.model.net, list[float | None]()
        conv, field = list[Tensor](), list[Tensor]()
        for labels in self.validation.labels[:6]:
            labels = labels.to(self.hardware.device)
            maps = self.reconstruct(net, labels)
            for rows, decoded in zip((conv, field), maps, strict=True):
                rows.append(dice_per_class(decoded, labels, net.config.classes))
            failed.append(violation_percent(maps[0], self.anatomy))
        figures = {"dice_conv": torch.stack(conv).mean().item(), "dice_field": torch.stack(field).mean().item(),
                   "dice_conv_min": torch.stack(conv).min().item()}
        known = [value for value in failed if value is not None]
        return figures | ({"violations_percent": sum(known) / len(known)} if known else {})

    def reconstruct(self, net: Autoencoder, labels: Tensor) -> tuple[Tensor, Tensor]:
        """labels: (D, H, W) -> the labels that the convolution decoder and the field make of them."""
        with self.hardware.autocast():
            z = net.encode(labels[None])[0]
            conv = net.decoder(z)[0].float().argmax(0)
            return conv, conv if net.field is None else decode_field(net, z, labels.shape)


class DecoderStage(AutoencoderStage):
    """Trains both decoders alone; the encoder and the latents do not change."""

    name = "decoders"

    @property
    def stage(self) -> StageConfig:
        """The optimisation of this stage, which runs only if it is configured."""
        assert self.config.decoder_stage is not None
        return self.config.decoder_stage

    def start_from(self, net: Autoencoder) -> None:
        """Copies a trained autoencoder and freezes its encoder."""
        self.model.net.load_state_dict(net.state_dict())
        self.model.net.encoder.requires_grad_(False)


def draw_crop(volume: Tensor, size: int, augment: DeformationConfig, classes: int,
              generator: torch.Generator) -> Tensor:
    """A cube of `size` voxels (at most the map's size) around a random tissue voxel, sometimes deformed."""
    size = min(size, *volume.shape)
    coarse = volume[::4, ::4, ::4].nonzero()
    pick = coarse[int(torch.randint(len(coarse), (), generator=generator))] * 4
    pick = pick + torch.randint(-size // 6, size // 6 + 1, (3,), generator=generator).to(pick.device)
    limit = torch.tensor(volume.shape, device=pick.device) - size
    start = torch.minimum((pick - size // 2).clamp_min(0), limit)
    if torch.rand((), generator=generator).item() >= augment.probability:
        z, y, x = start.tolist()
        return volume[z : z + size, y : y + size, x : x + size]
    centre = start.float() + (size - 1) / 2
    coordinates = identity_coordinates(centre, size)
    knots = max(2, round(augment.knots * size / volume.shape[0]) + 1)
    coordinates = coordinates + smooth_displacement(size, knots, augment.amplitude, generator).to(volume.device)
    coordinates = random_pose(coordinates, centre, augment.degrees, augment.scale, generator)
    return warp_labels(volume, coordinates, classes)


def decode_field(net: Autoencoder, z: Tensor, shape: torch.Size) -> Tensor:
    """Labels of the field at every voxel centre, one slab at a time -> (D, H, W) int64."""
    assert net.field is not None  # for the type checker; callers have checked it
    features = net.field.features(z)
    axes = [(2 * torch.arange(n, device=z.device) + 1) / n - 1 for n in shape]
    slabs = [net.field.on_grid(features, (part, axes[1], axes[2])).argmax(-1)[0] for part in axes[0].split(16)]
    return torch.cat(slabs)


def violation_percent(labels: Tensor, anatomy: str) -> float | None:
    """Share of failed topological checks of a map in percent, at half resolution; None if cc3d is not installed."""
    try:
        from ..metrics.topology import check
    except ModuleNotFoundError:
        return None
    return check(labels.to(torch.uint8).cpu().numpy(), load_anatomy(anatomy), subsample=2).violation_percent


def dice_per_class(a: Tensor, b: Tensor, classes: int) -> Tensor:
    """Dice of each class except the background -> (classes - 1,) float64."""
    pairs = torch.bincount((a.long() * classes + b.long()).flatten(), minlength=classes**2).view(classes, classes)
    both = 2 * pairs.diagonal().double()
    return (both / (pairs.sum(0) + pairs.sum(1)).clamp_min(1))[1:]
