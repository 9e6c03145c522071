"""What the job `vllm` is asked to measure: its own server or one that is there, and how hard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """The words of a load test. `url`: a server that is there; `model`: its model, or a folder to serve.

    `parallel` is `1,8`: a round each; `number` of requests in a round, 0 for as many as it takes.
    """

    url: str = ""
    model: str = ""
    api: str = "auto"
    api_key_file: str = ""
    parallel: str = "1,8"
    number: int = 0
    prompt_tokens: int = 64
    output_tokens: int = 64
    stream: bool = True
    port: int = 0

    def words(self) -> tuple[str, ...]:
        """Return the options of the job's script."""
        named = {"--url": self.url, "--model": self.model, "--api-key-file": self.api_key_file,
                 "--number": self.number, "--port": self.port}
        given = [str(word) for name, value in named.items() if value for word in (name, value)]
        always = ["--api", self.api, "--parallel", self.parallel, "--prompt-tokens", str(self.prompt_tokens),
                  "--output-tokens", str(self.output_tokens)]
        return (*given, *always, *(() if self.stream else ("--no-stream",)))
