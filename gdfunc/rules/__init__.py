from ._adam import Adam as Adam
