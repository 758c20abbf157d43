"""Writes the decoder of ../repvit_sam.pt as segment_anything's own export does, all masks and with nothing folded.

  python3 generate.py SEGMENT_ANYTHING    where SEGMENT_ANYTHING is a clone of facebookresearch/segment-anything

prompt.npz holds prompt 4 of ../repvit_sam.expect.npz by the names of the inputs.
PyTorch 1.13 wrote the files here: single_16.onnx as scripts/export_onnx_model.py does by default with
--return-single-mask and opset 16, all_11.onnx without it, in opset 11 and with do_constant_folding off.
"""
import os, sys
import numpy as np, torch

sys.path.insert(0, sys.argv[1])
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.onnx import SamOnnxModel

HERE = os.environ.get('OUT', os.path.dirname(os.path.abspath(__file__)))
D, S = 32, 128


class Encoder(torch.nn.Module):
    img_size = S


weights = torch.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../repvit_sam.pt'))
weights = {k: v for k, v in weights.items() if not k.startswith('image_encoder.')}
shape = lambda name: weights['mask_decoder.' + name].shape
sam = Sam(Encoder(), PromptEncoder(D, (S // 16, S // 16), (S, S), weights['prompt_encoder.mask_downscaling.3.weight'].shape[0]),
          MaskDecoder(transformer_dim=D, num_multimask_outputs=shape('mask_tokens.weight')[0] - 1, iou_head_depth=3, iou_head_hidden_dim=shape('iou_prediction_head.layers.0.weight')[0],
                      transformer=TwoWayTransformer(2, D, 8, shape('transformer.layers.0.mlp.lin1.weight')[0])))
sam.load_state_dict(weights)
inputs = {'image_embeddings': torch.randn(1, D, S // 16, S // 16), 'point_coords': torch.rand(1, 5, 2) * S, 'point_labels': torch.randint(0, 4, (1, 5)).float(),
          'mask_input': torch.randn(1, 1, S // 4, S // 4), 'has_mask_input': torch.tensor([1.]), 'orig_im_size': torch.tensor([150., 220.])}


def export(name, opset, single, fold):
    torch.onnx.export(SamOnnxModel(sam.eval(), single), tuple(inputs.values()), os.path.join(HERE, name), opset_version=opset, do_constant_folding=fold,
                      input_names=list(inputs), output_names=['masks', 'iou_predictions', 'low_res_masks'],
                      dynamic_axes={'point_coords': {1: 'num_points'}, 'point_labels': {1: 'num_points'}})


export('single_16.onnx', 16, True, True)
export('all_11.onnx', 11, False, False)
expect = np.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../repvit_sam.expect.npz'))
np.savez(os.path.join(HERE, 'prompt.npz'), **{k: expect[k if k == 'image_embeddings' else 'p4.' + k] for k in inputs})
