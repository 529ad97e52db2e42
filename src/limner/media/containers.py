"""Opening video and sound files with FFmpeg: the kinds that hold what they show, and nothing that points elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av

from limner.checks import FileProblem

# Playlists (hls, concat, dash, sdp) may name other files and addresses, and `tty` reads any text as a film: left out.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg,ivf,mxf,h264,hevc,"
    "m4v,mjpeg,wav,mp3,aac,flac,rm,dv,nut,obu,av1,y4m,yuv4mpegpipe,w64,aiff,amr,ac3,eac3,caf"
)


def open_container(path: Path, what: str = "video") -> av.container.InputContainer:
    """Open a media file; `what` names the kind that is needed.

    Raises:
        FileProblem: it is none, or its header is corrupt or truncated.
    """
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path}", metadata_errors="replace", container_options=options)
    except (av.error.FFmpegError, ValueError):
        raise FileProblem(f"{path} is not a {what}, or its header is corrupt or truncated") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video for the length of a `with` block; see `open_container`."""
    with open_container(path) as container:
        yield container
