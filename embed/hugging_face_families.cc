#include "embed/hugging_face_families.h"

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {
namespace {

constexpr auto kCount = HuggingFaceKey::Kind::kCount;
constexpr auto kNumber = HuggingFaceKey::Kind::kNumber;

constexpr HuggingFaceName kBertNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.N.attention.self.query", "blk.N.attn_q"},
    {"encoder.layer.N.attention.self.key", "blk.N.attn_k"},
    {"encoder.layer.N.attention.self.value", "blk.N.attn_v"},
    {"encoder.layer.N.attention.output.dense", "blk.N.attn_output"},
    {"encoder.layer.N.attention.output.LayerNorm", "blk.N.attn_output_norm"},
    {"encoder.layer.N.intermediate.dense", "blk.N.ffn_up"},
    {"encoder.layer.N.output.dense", "blk.N.ffn_down"},
    {"encoder.layer.N.output.LayerNorm", "blk.N.layer_output_norm"},
};
constexpr HuggingFaceKey kBertKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"},
    {"layer_norm_eps", "attention.layer_norm_epsilon", kNumber},
};

constexpr HuggingFaceName kNomicNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"emb_ln", "token_embd_norm"},
    {"encoder.layers.N.attn.Wqkv", "blk.N.attn_qkv"},
    {"encoder.layers.N.attn.out_proj", "blk.N.attn_output"},
    {"encoder.layers.N.norm1", "blk.N.attn_output_norm"},
    {"encoder.layers.N.mlp.fc11", "blk.N.ffn_up"},
    {"encoder.layers.N.mlp.fc12", "blk.N.ffn_gate"},
    {"encoder.layers.N.mlp.fc2", "blk.N.ffn_down"},
    {"encoder.layers.N.norm2", "blk.N.layer_output_norm"},
};
constexpr HuggingFaceKey kNomicKeys[] = {
    {"n_layer", "block_count"},
    {"n_embd", "embedding_length"},
    {"n_inner", "feed_forward_length"},
    {"n_head", "attention.head_count"},
    {"n_positions", "context_length"},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", kNumber},
    {"rotary_emb_base", "rope.freq_base", kNumber},
};

constexpr HuggingFaceName kModernNames[] = {
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.N.attn_norm", "blk.N.attn_norm"},
    {"layers.N.attn.Wqkv", "blk.N.attn_qkv"},
    {"layers.N.attn.Wo", "blk.N.attn_output"},
    {"layers.N.mlp_norm", "blk.N.ffn_norm"},
    {"layers.N.mlp.Wi", "blk.N.ffn_up"},
    {"layers.N.mlp.Wo", "blk.N.ffn_down"},
    {"final_norm", "output_norm"},
};
constexpr HuggingFaceKey kModernKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"max_position_embeddings", "context_length"},
    {"norm_eps", "attention.layer_norm_epsilon", kNumber},
    {"local_attention", "attention.sliding_window"},
    {"global_rope_theta", "rope.freq_base", kNumber},
    {"local_rope_theta", "rope.freq_base_swa", kNumber},
};

constexpr HuggingFaceName kQwenNames[] = {
    {"embed_tokens", "token_embd"},
    {"layers.N.input_layernorm", "blk.N.attn_norm"},
    {"layers.N.self_attn.q_proj", "blk.N.attn_q"},
    {"layers.N.self_attn.k_proj", "blk.N.attn_k"},
    {"layers.N.self_attn.v_proj", "blk.N.attn_v"},
    {"layers.N.self_attn.q_norm", "blk.N.attn_q_norm"},
    {"layers.N.self_attn.k_norm", "blk.N.attn_k_norm"},
    {"layers.N.self_attn.o_proj", "blk.N.attn_output"},
    {"layers.N.post_attention_layernorm", "blk.N.ffn_norm"},
    {"layers.N.mlp.gate_proj", "blk.N.ffn_gate"},
    {"layers.N.mlp.up_proj", "blk.N.ffn_up"},
    {"layers.N.mlp.down_proj", "blk.N.ffn_down"},
    {"norm", "output_norm"},
};
constexpr HuggingFaceKey kQwenKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length", kCount, /*required=*/false},
    {"max_position_embeddings", "context_length"},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", kNumber},
    {"rope_theta", "rope.freq_base", kNumber},
};

constexpr HuggingFaceName kJinaNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.N.attention.self.query", "blk.N.attn_q"},
    {"encoder.layer.N.attention.self.key", "blk.N.attn_k"},
    {"encoder.layer.N.attention.self.value", "blk.N.attn_v"},
    {"encoder.layer.N.attention.output.dense", "blk.N.attn_output"},
    {"encoder.layer.N.attention.output.LayerNorm", "blk.N.attn_output_norm"},
    {"encoder.layer.N.mlp.gated_layers", "blk.N.ffn_gate", "blk.N.ffn_up"},
    {"encoder.layer.N.mlp.wo", "blk.N.ffn_down"},
    {"encoder.layer.N.mlp.layernorm", "blk.N.layer_output_norm"},
};

// Every n-th layer has experts, the others two matrices without a gate.
constexpr HuggingFaceName kNomicMoeNames[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"emb_ln", "token_embd_norm"},
    {"encoder.layers.N.attn.Wqkv", "blk.N.attn_qkv"},
    {"encoder.layers.N.attn.out_proj", "blk.N.attn_output"},
    {"encoder.layers.N.norm1", "blk.N.attn_output_norm"},
    {"encoder.layers.N.mlp.fc1", "blk.N.ffn_up"},
    {"encoder.layers.N.mlp.fc2", "blk.N.ffn_down"},
    {"encoder.layers.N.mlp.router.layer", "blk.N.ffn_gate_inp"},
    {"encoder.layers.N.mlp.experts.mlp.w1", "blk.N.ffn_up_exps"},
    {"encoder.layers.N.mlp.experts.mlp.w2", "blk.N.ffn_down_exps"},
    {"encoder.layers.N.norm2", "blk.N.layer_output_norm"},
};
constexpr HuggingFaceKey kNomicMoeKeys[] = {
    {"n_layer", "block_count"},
    {"n_embd", "embedding_length"},
    {"n_inner", "feed_forward_length"},
    {"n_head", "attention.head_count"},
    {"n_positions", "context_length"},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", kNumber},
    {"rotary_emb_base", "rope.freq_base", kNumber},
    {"moe_every_n_layers", "moe_every_n_layers"},
    {"num_experts", "expert_count"},
    {"moe_top_k", "expert_used_count"},
};

constexpr HuggingFaceName kGemmaNames[] = {
    {"embed_tokens", "token_embd"},
    {"layers.N.input_layernorm", "blk.N.attn_norm"},
    {"layers.N.self_attn.q_proj", "blk.N.attn_q"},
    {"layers.N.self_attn.k_proj", "blk.N.attn_k"},
    {"layers.N.self_attn.v_proj", "blk.N.attn_v"},
    {"layers.N.self_attn.q_norm", "blk.N.attn_q_norm"},
    {"layers.N.self_attn.k_norm", "blk.N.attn_k_norm"},
    {"layers.N.self_attn.o_proj", "blk.N.attn_output"},
    {"layers.N.post_attention_layernorm", "blk.N.post_attention_norm"},
    {"layers.N.pre_feedforward_layernorm", "blk.N.ffn_norm"},
    {"layers.N.mlp.gate_proj", "blk.N.ffn_gate"},
    {"layers.N.mlp.up_proj", "blk.N.ffn_up"},
    {"layers.N.mlp.down_proj", "blk.N.ffn_down"},
    {"layers.N.post_feedforward_layernorm", "blk.N.post_ffw_norm"},
    {"norm", "output_norm"},
};
constexpr HuggingFaceKey kGemmaKeys[] = {
    {"num_hidden_layers", "block_count"},
    {"hidden_size", "embedding_length"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length"},
    {"head_dim", "attention.value_length"},
    {"max_position_embeddings", "context_length"},
    {"sliding_window", "attention.sliding_window"},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", kNumber},
    {"rope_theta", "rope.freq_base", kNumber},
    {"rope_local_base_freq", "rope.freq_base_swa", kNumber},
};

constexpr HuggingFaceFamily kFamilies[] = {
    {.model_type = "bert",
     .architecture = "bert",
     .names = kBertNames,
     .keys = kBertKeys},
    {.model_type = "xlm-roberta",
     .architecture = "bert",
     .offset_positions = true,
     .names = kBertNames,
     .keys = kBertKeys},
    {.model_type = "roberta",
     .architecture = "bert",
     .pre = "roberta-bpe",
     .offset_positions = true,
     .names = kBertNames,
     .keys = kBertKeys},
    {.model_type = "nomic_bert",
     .architecture = "nomic-bert",
     .names = kNomicNames,
     .keys = kNomicKeys},
    {.model_type = "modernbert",
     .architecture = "modern-bert",
     .pre = "modern-bert",
     .names = kModernNames,
     .keys = kModernKeys},
    {.model_type = "qwen3",
     .architecture = "qwen3",
     .pre = "qwen2",
     .names = kQwenNames,
     .keys = kQwenKeys},
    {.model_type = "gemma3_text",
     .architecture = "gemma-embedding",
     .norms_from_one = true,
     .dense = true,
     .names = kGemmaNames,
     .keys = kGemmaKeys},
};

constexpr HuggingFaceFamily kJina = {.model_type = "bert",
                                     .architecture = "jina-bert-v2",
                                     .names = kJinaNames,
                                     .keys = kBertKeys};
constexpr HuggingFaceFamily kNomicMoe = {.model_type = "nomic_bert",
                                         .architecture = "nomic-bert-moe",
                                         .names = kNomicMoeNames,
                                         .keys = kNomicMoeKeys};

}  // namespace

absl::Span<const HuggingFaceFamily> HuggingFaceFamilies() { return kFamilies; }

const HuggingFaceFamily& JinaFamily() { return kJina; }

const HuggingFaceFamily& NomicMoeFamily() { return kNomicMoe; }

}  // namespace corkscrew
