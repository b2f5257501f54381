# loading of the hidden data

def load_example(df_row):
    image = torchvision.io.read_image(df_row['image_path'])
    return {
        'image': image,
        'image_id': df_row['image_id'],
        'age_group': df_row['age_group'],
        'age': df_row['age'],
        'person_id': df_row['person_id'],
    }


class HiddenDataset(Dataset):
    """One split of the hidden data."""

    def __init__(self, split='train'):
        super().__init__()
        self.examples = []
        root = '/kaggle/input/neurips-2023-machine-unlearning'
        df = pd.read_csv(f'{root}/{split}.csv')
        df['image_path'] = df['image_id'].apply(
            lambda x: os.path.join(root, 'images', x.split('-')[0], x.split('-')[1] + '.png'))
        df = df.sort_values(by='image_path')
        df.apply(lambda row: self.examples.append(load_example(row)), axis=1)
        if len(self.examples) == 0:
            raise ValueError('No examples.')

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, idx):
        example = self.examples[idx]
        example['image'] = example['image'].to(torch.float32)
        return example


def get_dataset(batch_size):
    """retain, forget and validation loaders"""
    retain_ds = HiddenDataset(split='retain')
    forget_ds = HiddenDataset(split='forget')
    val_ds = HiddenDataset(split='validation')
    retain_loader = DataLoader(retain_ds, batch_size=batch_size, shuffle=True)
    forget_loader = DataLoader(forget_ds, batch_size=batch_size, shuffle=True)
    validation_loader = DataLoader(val_ds, batch_size=batch_size, shuffle=True)
    return retain_loader, forget_loader, validation_loader
