"""The words of servers and gateways, one table a vocabulary, each line with where it comes from.

A word that is in no table is kept as it came: nothing is guessed.
"""

from __future__ import annotations

import re
from functools import lru_cache

# --- Finish reasons -----------------------------------------------------------------------

FAILED = "failed"
"""Our word for a text that was aborted: the call failed, however much of a text there is."""

FINISH: tuple[tuple[str, str], ...] = (
    # ours, their words (after lower case, snake case and without a FINISH_REASON_ in front)
    ("stop", "stop stop_token stop_str"),  # OpenAI, vLLM, SGLang, llama.cpp, Ollama, Gemini STOP
    ("stop", "eos eos_token endoftext end_of_text"),  # Together, TGI, AI21, Aleph Alpha
    ("stop", "end_turn stop_sequence"),  # Anthropic, Bedrock, Cohere STOP_SEQUENCE
    ("stop", "complete completed"),  # Cohere COMPLETE, Responses API
    ("stop", "normal word end done finished final"),  # Baidu, llama.cpp's own API, Yandex
    ("stop", "stop_sequence_reached reason_stop"),  # Aleph Alpha, xAI
    ("length", "length max_tokens max_output_tokens"),  # OpenAI, Anthropic, Gemini MAX_TOKENS
    ("length", "model_length"),  # Mistral
    ("length", "model_context_window_exceeded context_length_exceeded"),  # Anthropic, Bedrock
    ("length", "error_limit"),  # Cohere: the context is full
    ("length", "token_limit time_limit not_finished"),  # watsonx
    ("length", "limit incomplete truncated truncated_final"),  # llama.cpp, Responses API, Yandex
    ("length", "maximum_tokens reason_max_len reason_max_context"),  # Aleph Alpha, xAI
    ("length", "pause_turn"),  # Anthropic: a long turn that was set aside
    ("content_filter", "content_filter content_filtered"),  # OpenAI, Azure, Bedrock
    ("content_filter", "safety recitation blocklist prohibited_content spii"),  # Gemini
    ("content_filter", "language image_safety model_armor"),  # Gemini
    ("content_filter", "sensitive"),  # Zhipu
    ("content_filter", "refusal"),  # Anthropic
    ("content_filter", "guardrail_intervened"),  # Bedrock
    ("content_filter", "error_toxic blacklist"),  # Cohere, GigaChat
    (FAILED, "error"),  # Mistral, OpenRouter, Cohere, vLLM
    (FAILED, "abort aborted"),  # vLLM, SGLang
    (FAILED, "network_error"),  # Zhipu
    (FAILED, "insufficient_system_resource"),  # DeepSeek
    (FAILED, "timeout user_cancel cancelled canceled"),  # Cohere, watsonx
    (FAILED, "load unload"),  # Ollama: the model was only loaded
    (FAILED, "malformed_model_output malformed_function_call"),  # Bedrock, Gemini
)
_FINISH = {word: ours for ours, words in FINISH for word in words.split()}

_KINDS_OF_FINISH: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (ours, re.compile(pattern))
    for ours, pattern in (
        # Members of these kinds that nobody has listed yet.
        ("content_filter", r"filter|safety|sensitiv|prohibit|block|blacklist|refus|guardrail"
                           r"|moderat|toxic|violat|policy|recitation|harm|unsafe|flag|censor"),
        ("length", r"max|limit|length|truncat|context|too_long|budget|cut_?off|capped|incomplete"),
        (FAILED, r"error|abort|fail|cancel|interrupt|time_?out|timed|insufficient|unavailable"
                 r"|overload|malformed|disconnect|network|preempt|evict|exception|crash|killed"
                 r"|shut_?down|terminated|resource|invalid|died"),
        ("stop", r"^(?:natural_)?(?:stop|eo[st]|end|complete|done|finish|success)"),
    )
)  # fmt: skip


def finish_of(reason: object) -> str:
    """``stop``, ``length``, ``content_filter``, ``failed``, or the server's own word.

    ``unknown`` where it gave none.
    """
    return _finish(reason) if isinstance(reason, str) else "unknown"


@lru_cache(maxsize=256)
def _finish(reason: str) -> str:
    if not reason.strip():
        return "unknown"
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason.strip())
    word = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")
    word = re.sub(r"^(?:finish_reason|stop_reason|finishreason|alternative_status)_", "", word)
    if word in _FINISH:
        return _FINISH[word]
    for ours, pattern in _KINDS_OF_FINISH:
        if pattern.search(word):
            return ours
    return reason.strip()


# --- Fields of a reply --------------------------------------------------------------------

REASONING_FIELDS = (
    "reasoning_content",  # DeepSeek, vLLM, SGLang, llama.cpp, Qwen, Kimi, litellm
    "reasoning",  # OpenRouter, Groq, vLLM since 0.11, Ollama
    "reasoning_text",  # Copilot-style gateways
    "thinking",  # Ollama's own API, Anthropic gateways
    "thinking_content",  # gateways before Qwen
    "thought",  # Gemini gateways
    "thoughts",
    "reasoning_details",  # OpenRouter: a list of parts
    "thinking_blocks",  # litellm: a list of parts
)
"""Where thinking is handed out apart from the answer; the first that holds words is taken."""

USAGE_FIELDS: dict[str, tuple[str, ...]] = {
    "prompt": (
        "prompt_tokens",  # OpenAI and everybody after it
        "input_tokens",  # Anthropic, Responses API
        "promptTokenCount",  # Gemini
        "prompt_eval_count",  # Ollama
        "prompt_n",  # llama.cpp's timings
    ),
    "completion": (
        "completion_tokens",
        "output_tokens",
        "candidatesTokenCount",
        "eval_count",
        "predicted_n",
        "generated_tokens",  # TGI
    ),
    "reasoning": ("reasoning_tokens", "thoughtsTokenCount"),
    "cached": (
        "cached_tokens",
        "prompt_cache_hit_tokens",  # DeepSeek
        "cache_read_input_tokens",  # Anthropic
    ),
}
USAGE_PLACES = ("usage", "usageMetadata", "timings")
USAGE_DETAILS = (
    "completion_tokens_details", "prompt_tokens_details",
    "output_tokens_details", "input_tokens_details",
)  # fmt: skip

CONTEXT_FIELDS = (
    "max_model_len",  # vLLM, SGLang
    "n_ctx",  # llama.cpp, under meta
    "loaded_context_length",  # LM Studio
    "context_length",  # OpenRouter, Together
    "context_window",  # Groq
    "max_context_length",  # Mistral, LM Studio
    "max_total_tokens",  # TGI
)
"""Where ``/models`` names the tokens that prompt and answer have together."""
